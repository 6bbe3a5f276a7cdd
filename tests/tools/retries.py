"""Retry policies and random numbers, as hypothesis makes them."""

from hypothesis import strategies as st

from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy

fractions = st.floats(0, 1, exclude_max=True)
retry_policies = st.builds(
    RetryPolicy,
    strategy=st.sampled_from(Strategy),
    base=st.floats(0, 86_400),
    cap=st.floats(0, 30 * 86_400),
    jitter=st.floats(0, 1),
    delays=st.lists(st.floats(0, 30 * 86_400), max_size=4).map(tuple),
)
