"""Retry decisions: the verdict on an outcome is succeeded, failed, or when to start the next attempt.

A complete answer is judged by the task's rules, then by its `fail_on` and `retry_on`, then by the status, for
any method. If a rule needs a document that cannot be read, the task's `rules_unreadable` decides in place of
the rules and of the status. A redirect that was not followed is such an answer. Without an answer, a POST or
PATCH that may have been sent is not repeated, since the target may have acted on it, unless the task sets
`retry_unsafe`.
"""

from datetime import datetime, timedelta

from taskrunner.domain.retries.rules import RuleAction, RulesUnreadable
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_fields import IDEMPOTENT_METHODS
from taskrunner.domain.value import Value

# RFC 9110 section 15 and RFC 6585: the statuses that mean "not now".
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
        OutcomeKind.SNOOZED,
        OutcomeKind.HANDLER_ERROR,
    }
)
# The last two with a response: that of a redirect which was not followed.
_ANSWERED = frozenset(
    {
        OutcomeKind.OK,
        OutcomeKind.HTTP_ERROR,
        OutcomeKind.DECODE_ERROR,
        OutcomeKind.TOO_MANY_REDIRECTS,
        OutcomeKind.BLOCKED,
    }
)
# Without `interrupted`, which is a fault of ours: an accepted task runs at least once. What a handler of the
# user does may be repeated unless it says otherwise.
_NO_REQUEST = frozenset({OutcomeKind.INTERRUPTED, OutcomeKind.SNOOZED, OutcomeKind.HANDLER_ERROR})
_WITHOUT_ANSWER = RETRYABLE_KINDS - _ANSWERED - _NO_REQUEST
# A rule could throttle a task for ever, and a token may never come: after so many uncounted attempts, further
# ones count. After a shortage of this machine none does: it is not the task's.
MAX_UNCOUNTED = 1000
# From 5 seconds to 160, before they are shortened.
_MOST_DOUBLINGS = 5
# The reasons of verdicts. The first two add nothing to the outcome.
NOT_RETRYABLE = "not retryable"
EXHAUSTED = "attempts exhausted"
UNKNOWN = "unknown"
CANCELLED = "cancelled"
RULE, FAIL_ON, RETRY_ON, RULES_UNREADABLE = "rule", "fail_on", "retry_on", "rules_unreadable"
# The longest Retry-After that a target can ask for, in seconds.
RETRY_AFTER_CAP = 86_400.0


class Verdict(Value):
    """The task's next status; `due` is set exactly if that status has a due time.

    `error` is a sentence for users, if it says more than the outcome's.
    """

    status: Status
    due: datetime | None = None
    reason: str
    error: str | None = None
    counted: bool = True


def decide(
    task: Task, outcome: Outcome, *, attempt: int, attempt_limit: int, now: datetime, random: float
) -> Verdict:
    """The verdict on attempt number `attempt` of at most `attempt_limit`; `random` is in [0, 1)."""
    action, reason = judge(task, outcome)
    if action is RuleAction.SUCCESS:
        return Verdict(status=Status.SUCCEEDED, reason=reason)
    if outcome.kind is OutcomeKind.CANCELLED:
        # The task was cancelled meanwhile, and nothing is written; or its handler no longer wants it.
        return Verdict(status=Status.CANCELLED, reason=CANCELLED, error=outcome.error)
    floor = min(outcome.retry_after or 0.0, RETRY_AFTER_CAP) if outcome.due_in is None else outcome.due_in
    waits = Status.SCHEDULED if outcome.kind is OutcomeKind.SNOOZED else Status.RETRYING
    uncounted = attempt_limit - task.max_attempts
    if not outcome.counted and (outcome.shortage or uncounted < MAX_UNCOUNTED):
        pause = _shortage_pause(floor, uncounted, random) if outcome.shortage else floor
        due = now + timedelta(seconds=pause)
        return Verdict(status=waits, due=due, reason="not counted", counted=False)
    error = _error(outcome, action, reason)
    if action is RuleAction.FAIL:
        return Verdict(status=Status.FAILED, reason=reason, error=error)
    counted = action is not RuleAction.THROTTLE or uncounted >= MAX_UNCOUNTED
    if counted and attempt >= attempt_limit:
        return Verdict(status=Status.FAILED, reason=EXHAUSTED, error=error)
    delay = max(task.retry.delay(attempt, random), floor) if outcome.due_in is None else outcome.due_in
    due = now + timedelta(seconds=delay)
    return Verdict(status=waits, due=due, reason=reason, error=error, counted=counted)


def judge(task: Task, outcome: Outcome) -> tuple[RuleAction, str]:
    """What an outcome means for its task, and the reason."""
    unread = task.rules_unreadable if outcome.rule_unasked else RulesUnreadable.IGNORE
    if unread is RulesUnreadable.IGNORE and outcome.rule is not None and outcome.rule < len(task.rules):
        return task.rules[outcome.rule].then, RULE
    status = _answered_status(outcome)
    if status in task.fail_on:
        return RuleAction.FAIL, FAIL_ON
    if status in task.retry_on:
        return RuleAction.RETRY, RETRY_ON
    if unread is RulesUnreadable.FAIL:
        return RuleAction.FAIL, RULES_UNREADABLE
    if outcome.kind is OutcomeKind.OK:
        return RuleAction.SUCCESS, "ok"
    if is_unknown(task, outcome):
        return RuleAction.FAIL, UNKNOWN
    return (RuleAction.RETRY, "retry") if is_retryable(outcome) else (RuleAction.FAIL, NOT_RETRYABLE)


def may_repeat(task: Task) -> bool:
    """Whether sending the request twice is harmless, or allowed by the task."""
    return task.retry_unsafe or task.method in IDEMPOTENT_METHODS


def is_unknown(task: Task, outcome: Outcome) -> bool:
    """Whether the target may have acted on a request that must not be repeated.

    The answer to the GET of a 303 is about that GET: "try later" does not mean that the POST may be repeated.
    """
    if may_repeat(task) or not outcome.sent:
        return False
    if outcome.kind is OutcomeKind.HTTP_ERROR:
        return bool(outcome.hops) and outcome.hops[-1].method != task.method and is_retryable(outcome)
    return outcome.kind in _WITHOUT_ANSWER


def is_retryable(outcome: Outcome) -> bool:
    """Whether another attempt may have another outcome."""
    if outcome.retryable is not None:
        return outcome.retryable
    if outcome.kind is OutcomeKind.HTTP_ERROR:
        return outcome.response is not None and outcome.response.status in RETRYABLE_STATUSES
    return outcome.kind in RETRYABLE_KINDS


def _shortage_pause(first: float, uncounted: int, random: float) -> float:
    """Doubles, since whatever ran short may be gone for hours, and is shortened by up to half at random.

    Tasks that ran short together would otherwise come back together, and run short again.
    """
    return first * (1 << min(uncounted, _MOST_DOUBLINGS)) * (1 - random / 2)


def _answered_status(outcome: Outcome) -> int | None:
    """The status of a complete answer."""
    if outcome.kind not in _ANSWERED or outcome.response is None:
        return None
    return outcome.response.status


def _error(outcome: Outcome, action: RuleAction, reason: str) -> str | None:
    error = outcome.error or f"The target answered {_answered_status(outcome)}."
    if reason == UNKNOWN:
        return f"{error} The request was sent, and whether the target acted on it is not known."
    if reason == RULE:
        return f"{error} Rule {(outcome.rule or 0) + 1} of the task says: {action}."
    if reason == RULES_UNREADABLE:
        return f"{error} The task's rules_unreadable says: {action}."
    if reason in {FAIL_ON, RETRY_ON}:
        return f"{error} The task lists this status in {reason}."
    return None
