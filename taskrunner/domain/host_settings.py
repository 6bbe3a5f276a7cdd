"""The settings for dealing with hosts, and what an outcome says of the host that it came from."""

from enum import StrEnum

from taskrunner.domain.circuit_breaker import BreakerSettings
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.retry import judge
from taskrunner.domain.rules import RuleAction
from taskrunner.domain.task import Task
from taskrunner.domain.value import Value, field

TOO_MANY_REQUESTS = 429
# Of a server that is in trouble, whoever asks. A 500 is as often about the request as about the server.
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
# These end before a host has said anything, or for a reason of ours.
_SILENT_KINDS = frozenset({OutcomeKind.BLOCKED, OutcomeKind.CANCELLED, OutcomeKind.INTERRUPTED})


class HostSettings(Value):
    """The settings; durations are seconds.

    `longest_pause` cuts a Retry-After, and `back_pressure` says whether one is heeded for the whole host. A
    task that must wait comes back after at most `longest_wait`. Hosts whose attempts take `slow` seconds or
    more get at most `share` of a consumer's workers; while others wait, these get as much.
    """

    breaker: BreakerSettings = field(default_factory=BreakerSettings)
    back_pressure: bool = True
    longest_pause: float = 300.0
    longest_wait: float = 300.0
    slow: float = 1.0
    share: float = 0.9


class Signal(StrEnum):
    """What the end of an attempt says of its host."""

    ANSWERED = "answered"
    FAILED = "failed"
    THROTTLED = "throttled"
    NOTHING = "nothing"


def signal(task: Task, outcome: Outcome) -> Signal:
    """What to make of an outcome; the task's own rules may say that it was throttled."""
    if outcome.rule is not None and judge(task, outcome)[0] is RuleAction.THROTTLE:
        return Signal.THROTTLED
    if outcome.kind is OutcomeKind.OK:
        return Signal.ANSWERED
    if outcome.kind in _SILENT_KINDS or not outcome.counted or not outcome.of_host:
        return Signal.NOTHING
    if outcome.kind in _FAILING_KINDS:
        return Signal.FAILED
    status = 0 if outcome.response is None else outcome.response.status
    if outcome.kind is OutcomeKind.HTTP_ERROR:
        if status == TOO_MANY_REQUESTS or (status >= 400 and outcome.retry_after is not None):
            return Signal.THROTTLED
        if status in _FAILING_STATUSES:
            return Signal.FAILED
    return Signal.ANSWERED
