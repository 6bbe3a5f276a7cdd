"""Which host, or executor in place of one, a task counts for, and which limit that has."""

from datetime import UTC, datetime

import pytest

from taskrunner.consumer.host_stats import HostStatsTable
from taskrunner.domain.executors.executor_limits import check_limited_name
from taskrunner.domain.hosts.host_limit import HostLimit, HostLimits
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.task import Task

URL = "https://a.test/"


def task(url: str | None, executor: str | None) -> Task:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return Task(
        id="t", url=url, executor=executor, timeout=1, max_attempts=1, retry=RetryPolicy(), created_at=now
    )


@pytest.mark.parametrize(
    ("url", "executor", "host"),
    [
        (URL, None, "a.test"),
        (URL, "free", "a.test"),
        (URL, "limited", "executor:limited"),
        (None, "free", "executor:free"),
        (None, "limited", "executor:limited"),
    ],
)
def test_a_task_counts_for_its_host_or_its_executor(url: str | None, executor: str | None, host: str) -> None:
    """So tasks of a handler have a share of the workers, as those of a host have."""
    table = HostStatsTable()
    table.apply_limits(HostLimits({"executor:limited": HostLimit(concurrency=1)}))
    assert table.of(task(url, executor)).host == host


@pytest.mark.parametrize("pattern", ["*", "*:443"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_pattern_of_hosts_limits_no_executor(pattern: str, *, is_known: bool) -> None:
    """Executors have limits of their own."""
    table = HostStatsTable()
    if is_known:
        table.of(task(None, "report_daily"))
    table.apply_limits(HostLimits({pattern: HostLimit(concurrency=1)}))
    assert table.of(task(None, "report_daily")).applied_limit is None


@pytest.mark.parametrize("pattern", ["*", "*:8080", "executor"])
def test_a_host_that_is_named_like_the_executors_has_its_limits(pattern: str) -> None:
    """A port is a number, which no executor has for a name."""
    table, limit = HostStatsTable(), HostLimit(concurrency=1)
    table.apply_limits(HostLimits({pattern: limit}))
    applied = table.of(task("http://executor:8080/", None)).applied_limit
    assert applied is not None
    assert (applied.pattern, applied.limit) == (pattern, limit)


@pytest.mark.parametrize("name", ["executor:8080", "executor:report_daily", "executor"])
def test_hosts_and_executors_can_be_named(name: str) -> None:
    assert check_limited_name(name) == name


@pytest.mark.parametrize("name", ["executor:", "executor:Report", "executor:8a", "executor:70000"])
def test_what_neither_a_host_nor_an_executor_is_named_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_limited_name(name)
