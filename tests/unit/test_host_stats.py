"""Which host, or executor in place of one, a task counts for, and which limit that has."""

from datetime import UTC, datetime

import pytest

from taskrunner.consumer.host_stats import HostStatsTable
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


@pytest.mark.parametrize("pattern", ["*", "*:443", "*.daily"])
@pytest.mark.parametrize("is_known", [True, False])
def test_a_pattern_of_hosts_limits_no_executor(pattern: str, *, is_known: bool) -> None:
    """Executors have limits of their own; the names of some end like those of hosts."""
    table = HostStatsTable()
    if is_known:
        table.of(task(None, "report.daily"))
    table.apply_limits(HostLimits({pattern: HostLimit(concurrency=1)}))
    assert table.of(task(None, "report.daily")).applied_limit is None
