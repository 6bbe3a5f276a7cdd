"""What the commands show of queues and consumers."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from taskrunner.app.platform import Platform
from taskrunner.config import load
from taskrunner.domain.duration import duration_text
from taskrunner.domain.fleet.worker_report import RunningAttempt, WorkerReport
from taskrunner.domain.queues.queue import QueueCounts
from tests.flow.cli.harness import Case, Cli, lines


async def _report(cli: Cli, in_memory: Mapping[str, QueueCounts]) -> None:
    platform = Platform(load(environ=cli.environment), publishes=False)
    now = datetime.now(UTC)
    attempt = RunningAttempt(
        task_id="red", attempt=1, queue="low", host="a.test", executor=None, since=now - timedelta(seconds=90)
    )
    report = WorkerReport(
        id="c-1",
        host="box",
        pid=7,
        version="1",
        since=now - timedelta(hours=2),
        reported_at=now,
        queues=("high", "low"),
        threads=5,
        busy=1,
        min_threads=5,
        max_threads=50,
        target=6,
        last_decision=None,
        backlog=0,
        in_flight=1,
        processes=(),
        running=(attempt,),
        in_memory=in_memory,
    )
    async with platform.running(need_store=True):
        await platform.store.report(report, [], now=now, until=now + timedelta(hours=1))


def queues(cli: Cli) -> None:
    """What only the broker of another process knows, that process reports."""
    cli.ok("pause", "--queue", "low")
    asyncio.run(_report(cli, {"low": QueueCounts(ready=7, consumers=0)}))
    low = {each["name"]: each for each in lines(cli.ok("queues", "--json"))}["low"]
    assert (low["ready"], low["consumers"]) == (7, 0)
    assert cli.ok("queues").splitlines()[-1].split()[1:7] == ["1", "7", "-", "0.0", "0.0", "0"]
    asyncio.run(_report(cli, {}))
    low = {each["name"]: each for each in lines(cli.ok("queues", "--json"))}["low"]
    assert (low["ready"], low["served_by"], low["paused"]["scope"]) == (None, ["c-1"], "queue:low")
    header, *rows = cli.ok("queues").splitlines()
    assert header.split() == ["QUEUE", "WEIGHT", "READY", "OLDEST", "IN/S", "OUT/S", "CONSUMERS", "PAUSED"]
    assert [row.split()[0] for row in rows] == ["high", "medium", "low"]
    assert rows[2].split()[1:7] == ["1", "?", "-", "0.0", "0.0", "?"]
    assert "since 20" in rows[2]


def declaring(cli: Cli) -> None:
    """A declared queue takes tasks, and stays while one of them lives."""
    result = cli.run("produce", "--url", "http://a.test/", "--queue", "reports")
    assert result.exit_code == 2
    assert "must be a declared queue (high, medium, low), got 'reports'" in result.stderr
    assert cli.ok("queues", "declare", "reports", "--weight", "3") == "reports declared, weight 3\n"
    assert cli.ok("queues", "declare", "reports") == "reports changed, weight 1\n"
    assert [row.split()[:2] for row in cli.ok("queues", "list").splitlines()][-1] == ["reports", "1"]
    task_id = cli.ok("produce", "--url", "http://a.test/", "--queue", "reports").strip()
    refused = cli.run("queues", "delete", "reports")
    assert (refused.exit_code, task_id in refused.stderr) == (5, True)
    cli.ok("task", "cancel", task_id)
    assert cli.ok("queues", "delete", "reports") == "reports deleted\n"
    assert cli.run("queues", "delete", "reports").exit_code == 4
    unknown = cli.run("pause", "--queue", "hihg")
    assert (unknown.exit_code, 'did you mean "high"?' in unknown.stderr) == (2, True)


def workers(cli: Cli) -> None:
    assert cli.ok("workers").split() == ["ID", "HOST", "UP", "BUSY", "TARGET", "QUEUES", "LONGEST"]
    asyncio.run(_report(cli, {}))
    (worker,) = lines(cli.ok("workers", "--json"))
    assert (worker["id"], worker["running"][0]["task_id"]) == ("c-1", "red")
    (_, row) = cli.ok("workers").splitlines()
    assert row.split() == ["c-1", "box", "2h", "1/5", "6", "high,low", duration_text(90), "red"]


FLEET_CASES: dict[str, Case] = {
    "queues list --json": queues,
    "queues declare --weight": declaring,
    "workers --json": workers,
}
