"""The process outlives its process: whatever becomes of that, nothing is lost and nothing waits for it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from taskrunner.consumer.processes import child as child_module
from taskrunner.consumer.processes.crash_suspects import COUNTED_FROM
from taskrunner.consumer.processes.worker_process import WorkerProcess
from taskrunner.domain.events import WorkerProcessLost
from taskrunner.domain.outcome import Outcome, OutcomeKind
from tests.contract.workers.bench import DEADLINE, Bench


@pytest.fixture
async def crewed(tmp_path: Path) -> AsyncIterator[Bench]:
    """Two workers in a process that is about to start."""
    bench = Bench(WorkerProcess, tmp_path)
    await bench.pool.start()
    bench.pool.resize(2)
    yield bench
    await bench.pool.close()


async def ready(bench: Bench) -> int:
    """The process, once it can work."""
    await bench.until(lambda: bench.pool.trouble is None and bench.pool.room() > 0)
    (pid,) = bench.pids
    return pid


def losses(bench: Bench) -> list[WorkerProcessLost]:
    return [event for event in bench.told if isinstance(event, WorkerProcessLost)]


async def test_a_killed_process_is_replaced_and_costs_no_attempt(crewed: Bench) -> None:
    """What was in its hands is interrupted and does not count; the next one takes new attempts."""
    crewed.submit("a")
    await crewed.begin("a")
    os.kill(pid := await ready(crewed), signal.SIGKILL)
    outcome = (await crewed.outcome()).outcome
    assert (outcome.kind, outcome.counted, outcome.retry_after) == (OutcomeKind.INTERRUPTED, False, None)
    assert losses(crewed) == [WorkerProcessLost(pid=pid, cause="signal SIGKILL", in_flight=1)]
    assert crewed.pool.room() == 0
    crewed.gate.open()
    crewed.submit("b")
    assert (await crewed.outcome()).outcome.kind is OutcomeKind.OK
    assert [each["losses"] for each in crewed.pool.describe()["processes"]] == [1]


async def test_a_task_that_kills_the_process_each_time_comes_to_an_end(crewed: Bench) -> None:
    """From the third death on its attempts count, and there is trouble until a process has lived for long."""
    outcomes: list[Outcome] = []
    for number in range(COUNTED_FROM):
        await crewed.until(lambda: crewed.pool.room() > 0)
        crewed.submit("poison", "kill")
        outcomes.append((await crewed.outcome()).outcome)
        assert len(losses(crewed)) == number + 1
    assert [outcome.counted for outcome in outcomes] == [False, False, True]
    assert outcomes[1].retry_after is not None
    assert crewed.pool.trouble == "the worker process died 3 times in a row, last by signal SIGKILL"


async def test_a_process_that_hangs_as_a_whole_is_replaced(
    crewed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It gives no sign of life; its attempts are interrupted as if it had died."""
    monkeypatch.setattr(child_module, "PATIENCE", 0.0)
    crewed.submit("a")
    await crewed.begin("a")
    pid = await ready(crewed)
    os.kill(pid, signal.SIGSTOP)

    def lost() -> bool:
        crewed.pool.check()
        return bool(losses(crewed))

    await crewed.until(lost)
    assert losses(crewed) == [WorkerProcessLost(pid=pid, cause="no answer for 0 s", in_flight=1)]
    assert (await crewed.outcome()).outcome.counted is False
    assert not psutil.pid_exists(pid)


async def test_a_process_that_answers_is_left_alone(crewed: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With no patience at all, each answer comes before the next check."""
    monkeypatch.setattr(child_module, "PATIENCE", 0.0)
    pid = await ready(crewed)
    for number in range(10):
        crewed.pool.check()
        crewed.submit(f"t{number}", "big")
        await crewed.outcome()
    assert (crewed.pids, losses(crewed)) == ([pid], [])


async def test_a_process_that_never_gets_ready_is_replaced(
    crewed: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What waited for it is given up and may run elsewhere."""
    monkeypatch.setattr(child_module, "START_PATIENCE", 0.0)
    crewed.submit("a")
    await crewed.until(lambda: bool(crewed.pids))
    (pid,) = crewed.pids
    crewed.pool.check()
    outcome = (await crewed.outcome()).outcome
    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, False)
    assert losses(crewed) == [WorkerProcessLost(pid=pid, cause="no answer for 0 s", in_flight=0)]


async def test_a_process_that_cannot_be_started_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try is told, and the consumer is not ready."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    bench = Bench(WorkerProcess, tmp_path)
    await bench.pool.start()
    assert bench.pool.trouble == "the worker process has not started yet"
    await bench.until(lambda: len(losses(bench)) >= 3)
    assert losses(bench)[0].cause == "it cannot be started: No such file or directory"
    monkeypatch.undo()
    bench.pool.resize(1)
    await bench.until(lambda: bench.pool.room() > 0)
    bench.gate.open()
    bench.submit("a")
    assert (await bench.outcome()).outcome.kind is OutcomeKind.OK
    await bench.pool.close()


async def test_the_end_does_not_wait_for_a_process_that_is_starting(crewed: Bench) -> None:
    """What it was to get is taken back at once; nothing of it is left."""
    crewed.submit("a")
    await crewed.until(lambda: bool(crewed.pids))
    (pid,) = crewed.pids
    os.kill(pid, signal.SIGSTOP)
    assert [item.key[0] for item in await crewed.pool.withdraw()] == ["a"]
    async with asyncio.timeout(DEADLINE):
        await crewed.pool.close()
    assert not psutil.pid_exists(pid)


async def test_the_end_does_not_wait_for_a_process_that_is_to_be_started_again(crewed: Bench) -> None:
    """During the pause after a death there is nothing to end."""
    os.kill(await ready(crewed), signal.SIGKILL)
    await crewed.until(lambda: bool(losses(crewed)))
    crewed.submit("a")
    assert [item.key[0] for item in await crewed.pool.withdraw()] == ["a"]
    async with asyncio.timeout(DEADLINE):
        await crewed.pool.close()
    assert crewed.pids == []


async def test_the_end_does_not_wait_for_a_process_that_hangs(crewed: Bench) -> None:
    """What it does not give back is given up."""
    crewed.submit("a")
    await crewed.begin("a")
    pid = await ready(crewed)
    os.kill(pid, signal.SIGSTOP)
    assert await crewed.pool.withdraw() == []
    assert [item.key[0] for item in crewed.pool.interrupt()] == ["a"]
    async with asyncio.timeout(DEADLINE):
        await crewed.pool.close()
    assert not psutil.pid_exists(pid)
    assert losses(crewed) == []


async def test_signals_to_the_whole_group_do_not_end_it(crewed: Bench) -> None:
    """Ctrl-C on a terminal reaches it too; the parent decides."""
    pid = await ready(crewed)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    crewed.gate.open()
    crewed.submit("a")
    assert (await crewed.outcome()).outcome.kind is OutcomeKind.OK
    assert (crewed.pids, losses(crewed)) == ([pid], [])


async def test_what_it_logs_is_logged_here(crewed: Bench, caplog: pytest.LogCaptureFixture) -> None:
    crewed.gate.open()
    crewed.submit("a", "log")
    await crewed.outcome()
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("gate", "task a began")]
