"""When the attempts of a task would start."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.targets.address import AddressClass, class_of, parse_address
from taskrunner.domain.tasks.dry_run import MAX_PLANNED, planned_attempts
from taskrunner.domain.tasks.task import Task

NOW = datetime(2026, 11, 30, tzinfo=UTC)
POLICIES = st.builds(
    RetryPolicy,
    strategy=st.sampled_from(Strategy),
    base=st.floats(0, 3600),
    cap=st.floats(0, 30 * 86_400),
    jitter=st.floats(0, 1),
    delays=st.lists(st.floats(0, 30 * 86_400), max_size=5).map(tuple),
)


def task(**fields: Any) -> Task:
    given = {"timeout": 10.0, "max_attempts": 3, "retry": RetryPolicy(base=4.0, jitter=0.5), **fields}
    return Task(id="t", url="http://example.com/", created_at=NOW, **given)


def spans(of: Task) -> list[tuple[float, float]]:
    """Seconds from now."""
    return [
        ((each.earliest - NOW).total_seconds(), (each.latest - NOW).total_seconds())
        for each in planned_attempts(of)
    ]


def test_jitter_and_timeouts_widen_the_spans() -> None:
    """Each delay is cut by jitter at the earliest; at the latest, each attempt took its timeout."""
    assert spans(task()) == [(0, 0), (2, 14), (6, 32)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"run_at": NOW + timedelta(seconds=60)}, [(60, 60), (62, 74), (66, 92)]),
        ({"max_attempts": 1}, [(0, 0)]),
        ({"retry": RetryPolicy(delays=(1.0, 5.0), jitter=0.0)}, [(0, 0), (1, 11), (6, 26)]),
        ({"expires_at": NOW + timedelta(seconds=6)}, [(0, 0), (2, 6)]),
        ({"expires_at": NOW + timedelta(seconds=7)}, [(0, 0), (2, 7), (6, 7)]),
    ],
)
def test_times_follow_the_task(fields: dict[str, Any], expected: list[tuple[float, float]]) -> None:
    assert spans(task(**fields)) == expected


@given(POLICIES, st.integers(1, 2**31 - 1), st.lists(st.floats(0, 1, exclude_max=True), min_size=MAX_PLANNED))
def test_no_run_leaves_the_spans(policy: RetryPolicy, attempts: int, luck: list[float]) -> None:
    """Whatever jitter decides and however long attempts take, each starts within its span."""
    planned = planned_attempts(task(retry=policy, max_attempts=attempts))
    assert len(planned) == min(attempts, MAX_PLANNED)
    start, slack = NOW, timedelta(milliseconds=1)
    for each, random in zip(planned, luck, strict=False):
        if each.number > 1:
            start += timedelta(seconds=10 * random + policy.delay(each.number - 1, random))
        assert each.earliest - slack <= start <= each.latest + slack


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("93.184.216.34", AddressClass.PUBLIC),
        ("2606:2800:220:1::1", AddressClass.PUBLIC),
        ("127.8.8.8", AddressClass.LOOPBACK),
        ("::1", AddressClass.LOOPBACK),
        ("::ffff:127.0.0.1", AddressClass.LOOPBACK),
        ("10.0.0.1", AddressClass.PRIVATE),
        ("172.31.255.255", AddressClass.PRIVATE),
        ("::ffff:192.168.1.1", AddressClass.PRIVATE),
        ("fd12::1", AddressClass.PRIVATE),
        ("100.64.0.1", AddressClass.SHARED),
        ("169.254.1.1", AddressClass.LINK_LOCAL),
        ("fe80::1", AddressClass.LINK_LOCAL),
        ("224.0.0.1", AddressClass.MULTICAST),
        ("ff02::1", AddressClass.MULTICAST),
        ("0.0.0.0", AddressClass.UNSPECIFIED),
        ("::", AddressClass.UNSPECIFIED),
        ("169.254.169.254", AddressClass.METADATA),
        ("64:ff9b::a9fe:a9fe", AddressClass.METADATA),
        ("100.100.100.200", AddressClass.METADATA),
        ("168.63.129.16", AddressClass.METADATA),
        ("203.0.113.7", AddressClass.RESERVED),
        ("255.255.255.255", AddressClass.RESERVED),
        ("2001:db8::1", AddressClass.RESERVED),
    ],
)
def test_the_class_of_an_address(address: str, expected: AddressClass) -> None:
    parsed = parse_address(address)
    assert parsed is not None
    assert class_of(parsed) is expected
