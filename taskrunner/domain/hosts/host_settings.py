"""The host settings, for troubled and slow hosts, and what an outcome says of its host."""

from enum import StrEnum

from taskrunner.domain.hosts.circuit_breaker import BreakerSettings
from taskrunner.domain.retries.retry import judge
from taskrunner.domain.retries.rules import RuleAction
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import Value, field

TOO_MANY_REQUESTS = 429
# The server is in trouble. A 500 is not listed: it is as often about the request as about the server.
_FAILING_STATUSES = frozenset({502, 503, 504})
_FAILING_KINDS = frozenset(
    {
        OutcomeKind.TIMEOUT,
        OutcomeKind.CONNECT_ERROR,
        OutcomeKind.DNS_ERROR,
        OutcomeKind.TLS_ERROR,
        OutcomeKind.PROTOCOL_ERROR,
    }
)
# These end before the host has answered, or for a reason of ours.
_SILENT_KINDS = frozenset(
    {
        OutcomeKind.BLOCKED,
        OutcomeKind.CANCELLED,
        OutcomeKind.INTERRUPTED,
        OutcomeKind.SNOOZED,
        OutcomeKind.HANDLER_ERROR,
    }
)


class HostSettings(Value):
    """Durations are seconds.

    `back_pressure`: whether a Retry-After slows down the whole host; `longest_pause` cuts it. A waiting task
    comes back after at most `longest_wait`. Hosts whose attempts take `slow` seconds or more get at most
    `share` of a consumer's workers; while tasks of other hosts wait, those get that share.
    """

    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    back_pressure: bool = True
    longest_pause: float = 300.0
    longest_wait: float = 300.0
    slow: float = 1.0
    share: float = 0.9


class HostSignal(StrEnum):
    """What the outcome of an attempt says of its host."""

    ANSWERED = "answered"
    FAILED = "failed"
    THROTTLED = "throttled"
    NOTHING = "nothing"


def host_signal(task: Task, outcome: Outcome) -> HostSignal:
    """The signal of an outcome; a rule of the task may declare it throttled."""
    if outcome.rule is not None and judge(task, outcome)[0] is RuleAction.THROTTLE:
        return HostSignal.THROTTLED
    if outcome.kind is OutcomeKind.OK:
        return HostSignal.ANSWERED
    if outcome.kind in _SILENT_KINDS or not outcome.counted or not outcome.of_host:
        return HostSignal.NOTHING
    if outcome.kind in _FAILING_KINDS:
        return HostSignal.FAILED
    status = (0 if outcome.response is None else outcome.response.status) or 0
    if outcome.kind in {OutcomeKind.HTTP_ERROR, OutcomeKind.DECODE_ERROR}:
        if status == TOO_MANY_REQUESTS or (status >= 400 and outcome.retry_after is not None):
            return HostSignal.THROTTLED
        if status in _FAILING_STATUSES:
            return HostSignal.FAILED
    return HostSignal.ANSWERED
