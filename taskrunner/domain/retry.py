"""The verdict on an outcome: succeeded, failed, or when to try again."""

from datetime import datetime, timedelta

from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.status import Status
from taskrunner.domain.value import value

# RFC 9110 section 15 and RFC 6585: the statuses that say "not now" rather than "no".
RETRYABLE_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
RETRYABLE_KINDS = frozenset(
    {
        OutcomeKind.TIMEOUT,
        OutcomeKind.CONNECT_ERROR,
        OutcomeKind.DNS_ERROR,
        OutcomeKind.TLS_ERROR,
        OutcomeKind.PROTOCOL_ERROR,
        OutcomeKind.DECODE_ERROR,
        OutcomeKind.INTERRUPTED,
    }
)
# A Retry-After may be any number; we do not let a target park a task for longer than this.
RETRY_AFTER_CAP = 86_400.0


@value
class Verdict:
    """What the task becomes; `due` is set exactly for the statuses that have a due time."""

    status: Status
    due: datetime | None = None
    reason: str
    counted: bool = True


def decide(
    policy: RetryPolicy, outcome: Outcome, *, attempt: int, attempt_limit: int, now: datetime, random: float
) -> Verdict:
    """Judge the end of attempt number `attempt` of at most `attempt_limit`; `random` is in [0, 1)."""
    if outcome.kind is OutcomeKind.OK:
        return Verdict(status=Status.SUCCEEDED, reason="ok")
    floor = min(outcome.retry_after or 0.0, RETRY_AFTER_CAP)
    if not outcome.counted:
        due = now + timedelta(seconds=floor)
        return Verdict(status=Status.RETRYING, due=due, reason="not counted", counted=False)
    if not is_retryable(outcome):
        return Verdict(status=Status.FAILED, reason="not retryable")
    if attempt >= attempt_limit:
        return Verdict(status=Status.FAILED, reason="attempts exhausted")
    delay = max(policy.delay(attempt, random), floor)
    return Verdict(status=Status.RETRYING, due=now + timedelta(seconds=delay), reason="retry")


def is_retryable(outcome: Outcome) -> bool:
    """Whether trying the same request again may end otherwise."""
    if outcome.retryable is not None:
        return outcome.retryable
    if outcome.kind is OutcomeKind.HTTP_ERROR:
        return outcome.response is not None and outcome.response.status in RETRYABLE_STATUSES
    return outcome.kind in RETRYABLE_KINDS
