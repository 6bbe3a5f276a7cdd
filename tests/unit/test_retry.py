"""The retry policy and the verdict: how long to wait, and when to give up."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.retry import RETRY_AFTER_CAP, RETRYABLE_KINDS, RETRYABLE_STATUSES, decide, is_retryable
from taskrunner.domain.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.status import FOLLOWERS, LIVE, Status

NOW = datetime(2026, 1, 1, tzinfo=UTC)
POLICY = RetryPolicy(jitter=0)

randoms = st.floats(0, 1, exclude_max=True)
policies = st.builds(
    RetryPolicy,
    strategy=st.sampled_from(Strategy),
    base=st.floats(0, 86_400),
    cap=st.floats(0, 30 * 86_400),
    jitter=st.floats(0, 1),
    delays=st.lists(st.floats(0, 30 * 86_400), max_size=4).map(tuple),
)
outcomes = st.builds(
    Outcome,
    kind=st.sampled_from(OutcomeKind),
    response=st.none() | st.builds(Response, status=st.integers(100, 599)),
    retry_after=st.none() | st.floats(0, 1e12),
    retryable=st.none() | st.booleans(),
    counted=st.booleans(),
)


def http_error(status: int, retry_after: float | None = None) -> Outcome:
    return Outcome(kind=OutcomeKind.HTTP_ERROR, response=Response(status=status), retry_after=retry_after)


@pytest.mark.parametrize(
    ("strategy", "delays"),
    [
        (Strategy.CONSTANT, [2, 2, 2, 2, 2]),
        (Strategy.LINEAR, [2, 4, 6, 8, 10]),
        (Strategy.EXPONENTIAL, [2, 4, 8, 10, 10]),
    ],
)
def test_each_strategy_grows_up_to_the_cap(strategy: Strategy, delays: list[float]) -> None:
    """The delay after the first, second, … failed attempt."""
    policy = RetryPolicy(strategy=strategy, base=2, cap=10, jitter=0)
    assert [policy.delay(failed, 0.5) for failed in range(1, 6)] == delays


def test_a_list_of_delays_is_used_as_it_is() -> None:
    """In order, the last one repeats, and no cap cuts what somebody chose."""
    policy = RetryPolicy(delays=(1, 600, 3600), cap=300, jitter=0)
    assert [policy.delay(failed, 0) for failed in range(1, 6)] == [1, 600, 3600, 3600, 3600]


@given(policies, st.integers(1, 10_000), randoms)
def test_a_delay_is_never_negative_nor_above_its_bound(
    policy: RetryPolicy, failed: int, random: float
) -> None:
    """Whatever the policy and however many attempts failed."""
    bound = max(policy.delays) if policy.delays else policy.cap
    assert 0 <= policy.delay(failed, random) <= bound


@given(policies, st.integers(1, 100), randoms)
def test_jitter_only_shortens_and_by_no_more_than_its_share(
    policy: RetryPolicy, failed: int, random: float
) -> None:
    """A random share of the delay is taken off."""
    full = policy.delay(failed, 0)
    assert full * (1 - policy.jitter) <= policy.delay(failed, random) <= full


@given(policies.filter(lambda policy: not policy.delays), st.integers(1, 100))
def test_a_strategy_never_shrinks(policy: RetryPolicy, failed: int) -> None:
    """One more failure means at least the same wait."""
    assert policy.delay(failed + 1, 0) >= policy.delay(failed, 0)


def test_success_is_success() -> None:
    """Even on the last attempt, and whatever else the outcome says."""
    outcome = Outcome(kind=OutcomeKind.OK, retryable=True, retry_after=5)
    assert decide(POLICY, outcome, attempt=5, attempt_limit=5, now=NOW, random=0).status is Status.SUCCEEDED


def test_a_failed_attempt_is_tried_again_until_none_is_left() -> None:
    """The last attempt that may start decides."""
    outcome = http_error(503)
    verdicts = [decide(POLICY, outcome, attempt=n, attempt_limit=3, now=NOW, random=0) for n in (1, 2, 3)]
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
    verdict = decide(POLICY, http_error(status), attempt=1, attempt_limit=9, now=NOW, random=0)
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
    verdict = decide(POLICY, http_error(429, wish), attempt=1, attempt_limit=2, now=NOW, random=0)
    assert verdict.due == NOW + timedelta(seconds=seconds)


def test_an_attempt_that_does_not_count_is_repeated_at_once() -> None:
    """A fault of ours uses up nothing, on the last attempt either."""
    outcome = Outcome(kind=OutcomeKind.INTERRUPTED, counted=False)
    verdict = decide(POLICY, outcome, attempt=5, attempt_limit=5, now=NOW, random=0)
    assert (verdict.status, verdict.due, verdict.counted) == (Status.RETRYING, NOW, False)


@given(policies, outcomes, st.integers(1, 50), st.integers(1, 50), randoms)
def test_every_verdict_fits_the_status_table(
    policy: RetryPolicy, outcome: Outcome, attempt: int, attempt_limit: int, random: float
) -> None:
    """It may follow `running`, has a due time exactly if it is live, and that is not in the past."""
    verdict = decide(policy, outcome, attempt=attempt, attempt_limit=attempt_limit, now=NOW, random=random)
    assert verdict.status in FOLLOWERS[Status.RUNNING]
    assert (verdict.due is not None) == (verdict.status in LIVE)
    assert verdict.due is None or verdict.due >= NOW
    if verdict.status is Status.RETRYING and verdict.counted:
        assert attempt < attempt_limit
