"""The verdict on an attempt: whether the task has ended, and when the next attempt may start."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.retries.retry import (
    MAX_UNCOUNTED,
    RETRY_AFTER_CAP,
    RETRYABLE_KINDS,
    RETRYABLE_STATUSES,
    Verdict,
    decide,
    is_retryable,
)
from taskrunner.domain.retries.retry_policy import MAX_DELAY, RetryPolicy
from taskrunner.domain.retries.rules import Rule, RuleAction, RulesUnreadable, When
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.status import FOLLOWERS, LIVE, Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace
from tests.tools.retries import fractions, retry_policies

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TASK = Task(id="t", url="http://h/", timeout=30, max_attempts=5, retry=RetryPolicy(jitter=0), created_at=NOW)
POST = replace(TASK, method="POST")

outcomes = st.builds(
    Outcome,
    kind=st.sampled_from(OutcomeKind),
    response=st.none() | st.builds(Response, status=st.integers(100, 599)),
    retry_after=st.none() | st.floats(0, 1e12),
    due_in=st.none() | st.floats(0, MAX_DELAY),
    retryable=st.none() | st.booleans(),
    counted=st.booleans(),
    sent=st.booleans(),
    rule=st.none() | st.integers(0, 4),
    rule_unasked=st.booleans(),
)
tasks = st.builds(
    Task,
    id=st.just("t"),
    url=st.just("http://h/"),
    method=st.sampled_from(["GET", "POST"]),
    timeout=st.just(30),
    max_attempts=st.integers(1, 50),
    retry=retry_policies,
    retry_on=st.lists(st.integers(200, 599), max_size=3).map(tuple),
    fail_on=st.lists(st.integers(200, 599), max_size=3).map(tuple),
    retry_unsafe=st.booleans(),
    rules=st.lists(st.sampled_from(RuleAction), max_size=3).map(
        lambda rulings: tuple(Rule(when=When(status=(200,)), then=action) for action in rulings)
    ),
    rules_unreadable=st.sampled_from(RulesUnreadable),
    created_at=st.just(NOW),
)


def http_error(status: int, retry_after: float | None = None) -> Outcome:
    return Outcome(kind=OutcomeKind.HTTP_ERROR, response=Response(status=status), retry_after=retry_after)


def test_success_is_success() -> None:
    """Even on the last attempt, and whatever else the outcome says."""
    outcome = Outcome(kind=OutcomeKind.OK, retryable=True, retry_after=5)
    assert decide(TASK, outcome, attempt=5, attempt_limit=5, now=NOW, random=0).status is Status.SUCCEEDED


def test_a_failed_attempt_is_tried_again_until_none_is_left() -> None:
    """The last attempt that may start decides."""
    outcome = http_error(503)
    verdicts = [decide(TASK, outcome, attempt=n, attempt_limit=3, now=NOW, random=0) for n in (1, 2, 3)]
    assert [verdict.status for verdict in verdicts] == [Status.RETRYING, Status.RETRYING, Status.FAILED]
    assert [verdict.due for verdict in verdicts] == [
        NOW + timedelta(seconds=1),
        NOW + timedelta(seconds=2),
        None,
    ]
    assert verdicts[2].reason == "attempts exhausted"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 410, 422, 501, 505])
def test_a_no_is_not_asked_again(status: int) -> None:
    """The same request would get the same answer."""
    verdict = decide(TASK, http_error(status), attempt=1, attempt_limit=9, now=NOW, random=0)
    assert (verdict.status, verdict.reason) == (Status.FAILED, "not retryable")


@pytest.mark.parametrize("status", sorted(RETRYABLE_STATUSES))
def test_a_not_now_is_asked_again(status: int) -> None:
    """RFC 9110: the target may answer otherwise later."""
    assert is_retryable(http_error(status))


def test_every_kind_of_outcome_is_judged() -> None:
    """Faults on the way are retryable, refusals by us are not."""
    final = {kind for kind in OutcomeKind if not is_retryable(Outcome(kind=kind))}
    assert final == set(OutcomeKind) - RETRYABLE_KINDS
    assert final == {
        OutcomeKind.OK,
        OutcomeKind.HTTP_ERROR,
        OutcomeKind.TOO_LARGE,
        OutcomeKind.TOO_MANY_REDIRECTS,
        OutcomeKind.BLOCKED,
        OutcomeKind.CANCELLED,
    }


@pytest.mark.parametrize("retryable", [True, False])
def test_the_handler_can_overrule_the_kind(retryable: bool) -> None:
    """It knows more about this one attempt."""
    for kind in (OutcomeKind.TIMEOUT, OutcomeKind.BLOCKED):
        assert is_retryable(Outcome(kind=kind, retryable=retryable)) is retryable


@pytest.mark.parametrize(("wish", "seconds"), [(0.0, 1), (0.5, 1), (60.0, 60), (1e12, RETRY_AFTER_CAP)])
def test_retry_after_is_honoured_within_bounds(wish: float, seconds: float) -> None:
    """It makes the wait longer, never shorter, and parks no task for years."""
    verdict = decide(TASK, http_error(429, wish), attempt=1, attempt_limit=2, now=NOW, random=0)
    assert verdict.due == NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize("counted", [True, False])
def test_a_handler_decides_when_its_task_runs_again(counted: bool) -> None:
    """Sooner or later than the policy says, and also after more than a target may ask for."""
    for seconds in (0.0, 0.5, 20 * 86_400.0):
        outcome = Outcome(kind=OutcomeKind.HANDLER_ERROR, due_in=seconds, counted=counted)
        verdict = decide(TASK, outcome, attempt=4, attempt_limit=5, now=NOW, random=0)
        assert (verdict.due, verdict.counted) == (NOW + timedelta(seconds=seconds), counted)


def test_a_cancelled_attempt_cancels_its_task() -> None:
    """If the task was cancelled meanwhile, the store takes nothing; else the handler wants it so."""
    verdict = judged(TASK, Outcome(kind=OutcomeKind.CANCELLED, error="not wanted"))
    assert (verdict.status, verdict.due, verdict.error) == (Status.CANCELLED, None, "not wanted")


def test_an_attempt_that_does_not_count_is_repeated_at_once() -> None:
    """A fault of ours uses up nothing, on the last attempt either."""
    outcome = Outcome(kind=OutcomeKind.INTERRUPTED, counted=False)
    verdict = decide(TASK, outcome, attempt=5, attempt_limit=5, now=NOW, random=0)
    assert (verdict.status, verdict.due, verdict.counted) == (Status.RETRYING, NOW, False)


@pytest.mark.parametrize(("limit", "counted"), [(5, False), (5 + MAX_UNCOUNTED, True)])
def test_a_task_that_its_handler_puts_off_is_scheduled(limit: int, counted: bool) -> None:
    """Also once there were so many snoozes that further ones count."""
    outcome = Outcome(kind=OutcomeKind.SNOOZED, counted=False, due_in=60)
    verdict = decide(TASK, outcome, attempt=4, attempt_limit=limit, now=NOW, random=0)
    due = NOW + timedelta(seconds=60)
    assert (verdict.status, verdict.due, verdict.counted) == (Status.SCHEDULED, due, counted)


@given(tasks, outcomes, st.integers(1, 50), st.integers(1, 50), fractions)
def test_every_verdict_fits_the_status_table(
    task: Task, outcome: Outcome, attempt: int, attempt_limit: int, random: float
) -> None:
    """It may follow `running`, has a due time exactly if it is live, and that is not in the past."""
    verdict = decide(task, outcome, attempt=attempt, attempt_limit=attempt_limit, now=NOW, random=random)
    assert verdict.status in FOLLOWERS[Status.RUNNING]
    assert (verdict.due is not None) == (verdict.status in LIVE)
    assert verdict.due is None or verdict.due >= NOW
    if verdict.status is Status.RETRYING and verdict.counted:
        assert attempt < attempt_limit


def judged(
    task: Task, outcome: Outcome, *, attempt: int = 1, attempt_limit: int = 5, random: float = 0
) -> Verdict:
    return decide(task, outcome, attempt=attempt, attempt_limit=attempt_limit, now=NOW, random=random)


def ok(status: int = 200) -> Outcome:
    return Outcome(kind=OutcomeKind.OK, response=Response(status=status))


NO_REQUEST = {OutcomeKind.INTERRUPTED, OutcomeKind.SNOOZED, OutcomeKind.HANDLER_ERROR}
WITHOUT_ANSWER = sorted(RETRYABLE_KINDS - NO_REQUEST - {OutcomeKind.DECODE_ERROR})


@pytest.mark.parametrize("kind", WITHOUT_ANSWER)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
@pytest.mark.parametrize("retryable", [None, True, False])
def test_what_the_target_may_have_acted_on_is_not_sent_again(
    method: str, kind: OutcomeKind, retryable: bool | None
) -> None:
    """The task fails at once, and says that it is not known."""
    outcome = Outcome(kind=kind, error="It broke.", retryable=retryable)

    verdict = judged(replace(TASK, method=method), outcome)

    assert (verdict.status, verdict.reason) == (Status.FAILED, "unknown")
    assert verdict.error == (
        "It broke. The request was sent, and whether the target acted on it is not known."
    )


@pytest.mark.parametrize("kind", WITHOUT_ANSWER)
def test_what_was_not_sent_is_tried_again(kind: OutcomeKind) -> None:
    """The target knows nothing of it."""
    assert judged(POST, Outcome(kind=kind, sent=False)).status is Status.RETRYING


@pytest.mark.parametrize("kind", WITHOUT_ANSWER)
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_an_idempotent_method_is_tried_again(method: str, kind: OutcomeKind) -> None:
    """RFC 9110 9.2.2: twice is the same as once."""
    assert judged(replace(TASK, method=method), Outcome(kind=kind)).status is Status.RETRYING


def test_a_task_can_allow_that_it_is_sent_twice() -> None:
    """Its receiver heeds the idempotency key, say."""
    task = replace(POST, retry_unsafe=True)

    assert judged(task, Outcome(kind=OutcomeKind.TIMEOUT)).status is Status.RETRYING


@pytest.mark.parametrize("status", sorted(RETRYABLE_STATUSES))
def test_an_answer_is_no_doubt(status: int) -> None:
    """A target that answers 503 to a POST has spoken: it is asked again."""
    assert judged(POST, http_error(status)).status is Status.RETRYING


def test_a_fault_of_ours_is_repeated_whatever_the_method() -> None:
    """What was accepted runs at least once: a consumer that was killed says nothing about the target."""
    assert judged(POST, Outcome(kind=OutcomeKind.INTERRUPTED)).status is Status.RETRYING
    assert judged(POST, Outcome(kind=OutcomeKind.TIMEOUT, counted=False, sent=False)).counted is False


def test_a_task_lists_statuses_of_its_own() -> None:
    """Over the usual ones, for answers of every kind; what is in neither list is judged as ever."""
    task = replace(TASK, retry_on=(404, 202), fail_on=(503, 204))

    assert judged(task, http_error(404)).status is Status.RETRYING
    assert judged(task, ok(202)).status is Status.RETRYING
    assert judged(task, http_error(503)).reason == "fail_on"
    assert judged(task, ok(204)).status is Status.FAILED
    assert judged(task, ok(200)).status is Status.SUCCEEDED
    assert judged(task, http_error(500)).status is Status.RETRYING
    assert judged(task, http_error(410)).status is Status.FAILED
    assert judged(task, ok(204)).error == "The target answered 204. The task lists this status in fail_on."


def test_the_lists_are_for_complete_answers() -> None:
    """A body that was too large came with a status, and is judged by its kind."""
    outcome = Outcome(kind=OutcomeKind.TOO_LARGE, response=Response(status=200))

    assert judged(replace(TASK, retry_on=(200,)), outcome).status is Status.FAILED


def ruled(action: RuleAction, **fields: object) -> Task:
    return replace(TASK, rules=(Rule(when=When(status=(200,)), then=action),), **fields)


@pytest.mark.parametrize(
    ("action", "status", "counted"),
    [
        (RuleAction.SUCCESS, Status.SUCCEEDED, True),
        (RuleAction.RETRY, Status.RETRYING, True),
        (RuleAction.THROTTLE, Status.RETRYING, False),
        (RuleAction.FAIL, Status.FAILED, True),
    ],
)
@pytest.mark.parametrize("outcome", [ok(), http_error(404), http_error(500)], ids=lambda each: each.kind)
def test_a_rule_that_holds_has_the_first_word(
    action: RuleAction, status: Status, counted: bool, outcome: Outcome
) -> None:
    """Over both lists and the status."""
    task = ruled(action, retry_on=(404,), fail_on=(500,))

    verdict = judged(task, replace(outcome, rule=0))

    assert (verdict.status, verdict.counted) == (status, counted)
    if status is not Status.SUCCEEDED:
        assert (verdict.reason, str(verdict.error)[-len(action) - 8 :]) == ("rule", f" says: {action}.")


def test_a_throttled_task_waits_as_long_as_it_is_told() -> None:
    """By its own delays at least, and on its last attempt, too."""
    outcome = Outcome(kind=OutcomeKind.OK, response=Response(status=200), retry_after=90.0, rule=0)

    verdict = judged(ruled(RuleAction.THROTTLE), outcome, attempt=5)

    assert (verdict.status, verdict.due) == (Status.RETRYING, NOW + timedelta(seconds=90))


def test_no_task_is_throttled_for_ever() -> None:
    """From a number on that nobody waits for, such attempts count."""
    limit = TASK.max_attempts + MAX_UNCOUNTED

    verdict = judged(ruled(RuleAction.THROTTLE), replace(ok(), rule=0), attempt=limit, attempt_limit=limit)

    assert (verdict.status, verdict.reason) == (Status.FAILED, "attempts exhausted")


NO_TOKEN = Outcome(kind=OutcomeKind.INTERRUPTED, retry_after=30.0, counted=False, sent=False)


@pytest.mark.parametrize(
    ("shortage", "pauses"), [(False, (30, 30, 30, 30, 30)), (True, (30, 60, 120, 960, 960))]
)
def test_a_pause_after_a_shortage_doubles(shortage: bool, pauses: tuple[int, ...]) -> None:
    """A resource of this machine may be gone for hours; a token, or another worker process, comes sooner."""
    outcome = replace(NO_TOKEN, shortage=shortage)
    verdicts = [judged(POST, outcome, attempt_limit=TASK.max_attempts + before) for before in (0, 1, 2, 5, 9)]
    assert [each.due for each in verdicts] == [NOW + timedelta(seconds=seconds) for seconds in pauses]
    assert not any(each.counted for each in verdicts)


def test_tasks_that_ran_short_together_come_back_apart() -> None:
    """Within the second half of the pause: all at once, they would run short again."""
    outcome = replace(NO_TOKEN, shortage=True)
    limit = TASK.max_attempts + 1
    dues = [judged(POST, outcome, attempt_limit=limit, random=each).due for each in (0, 0.25, 0.5, 0.75)]
    assert dues == [NOW + timedelta(seconds=seconds) for seconds in (60, 52.5, 45, 37.5)]


def test_no_task_waits_for_a_token_for_ever() -> None:
    """From a number on that no outage needs, such attempts count: its client secret is wrong."""
    limit = TASK.max_attempts + MAX_UNCOUNTED
    further = judged(POST, NO_TOKEN, attempt=limit - 1, attempt_limit=limit)
    last = judged(POST, NO_TOKEN, attempt=limit, attempt_limit=limit)
    assert (further.status, further.counted) == (Status.RETRYING, True)
    assert (last.status, last.reason) == (Status.FAILED, "attempts exhausted")


def test_a_shortage_of_this_machine_never_counts() -> None:
    limit = TASK.max_attempts + MAX_UNCOUNTED
    verdict = judged(POST, replace(NO_TOKEN, shortage=True), attempt=limit, attempt_limit=limit)
    assert (verdict.status, verdict.counted) == (Status.RETRYING, False)
