"""The retry policy: how long to wait after each failed attempt."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from tests.tools.retries import fractions, retry_policies


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


@given(retry_policies, st.integers(1, 10_000), fractions)
def test_a_delay_is_never_negative_nor_above_its_bound(
    policy: RetryPolicy, failed: int, random: float
) -> None:
    """Whatever the policy and however many attempts failed."""
    bound = max(policy.delays) if policy.delays else policy.cap
    assert 0 <= policy.delay(failed, random) <= bound


@given(retry_policies, st.integers(1, 100), fractions)
def test_jitter_only_shortens_and_by_no_more_than_its_share(
    policy: RetryPolicy, failed: int, random: float
) -> None:
    """A random share of the delay is taken off."""
    full = policy.delay(failed, 0)
    assert full * (1 - policy.jitter) <= policy.delay(failed, random) <= full


@given(retry_policies.filter(lambda policy: not policy.delays), st.integers(1, 100))
def test_a_strategy_never_shrinks(policy: RetryPolicy, failed: int) -> None:
    """One more failure means at least the same wait."""
    assert policy.delay(failed + 1, 0) >= policy.delay(failed, 0)
