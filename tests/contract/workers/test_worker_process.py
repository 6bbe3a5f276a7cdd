"""WorkerProcess outlives its child: however that ends, no attempt is lost and nothing waits for it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from taskrunner.consumer.processes import child_process
from taskrunner.consumer.processes.crash_suspects import COUNTED_FROM
from taskrunner.consumer.processes.worker_process import WorkerProcess
from taskrunner.domain.events import WorkerProcessLost
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from tests.contract.workers.bench import DEADLINE, Bench
from tests.tools.gate import GateHandlerFactory
from tests.tools.waiting import eventually


@pytest.fixture
async def workers(tmp_path: Path) -> AsyncIterator[Bench]:
    """Two workers in a process that is starting."""
    bench = Bench(WorkerProcess, tmp_path)
    await bench.start()
    bench.pool.resize(2)
    yield bench
    await bench.pool.close()


async def ready(bench: Bench) -> int:
    """The pid of the child, once it can run tasks."""
    await eventually(lambda: bench.pool.trouble is None and bench.pool.room() > 0)
    (pid,) = bench.pids
    return pid


def losses(bench: Bench) -> list[WorkerProcessLost]:
    return [event for event in bench.told if isinstance(event, WorkerProcessLost)]


async def test_a_killed_process_is_replaced_and_costs_no_attempt(workers: Bench) -> None:
    """Its attempts are interrupted and do not count; the next process takes new attempts."""
    workers.submit("a")
    await workers.begin("a")
    os.kill(pid := await ready(workers), signal.SIGKILL)
    outcome = (await workers.ended()).outcome
    assert (outcome.kind, outcome.counted, outcome.retry_after) == (OutcomeKind.INTERRUPTED, False, None)
    assert losses(workers) == [WorkerProcessLost(pid=pid, cause="signal SIGKILL", in_flight=1)]
    assert workers.pool.room() == 0
    workers.gate.open()
    workers.submit("b")
    assert (await workers.ended()).outcome.kind is OutcomeKind.OK
    assert [each["losses"] for each in workers.pool.describe()["processes"]] == [1]


async def test_a_task_that_kills_the_process_each_time_comes_to_an_end(workers: Bench) -> None:
    """From the third death on its attempts count, and there is trouble until a process lives longer."""
    outcomes: list[Outcome] = []
    for number in range(COUNTED_FROM):
        await eventually(lambda: workers.pool.room() > 0)
        workers.submit("poison", "kill")
        outcomes.append((await workers.ended()).outcome)
        assert len(losses(workers)) == number + 1
    assert [outcome.counted for outcome in outcomes] == [False, False, True]
    assert outcomes[1].retry_after is not None
    assert workers.pool.trouble == "the worker process died 3 times in a row, last by signal SIGKILL"


@pytest.mark.parametrize("when", ["starting", "running"])
async def test_the_next_process_has_what_has_changed(workers: Bench, when: str) -> None:
    """Also one that was started before the change and is ready after it."""
    if when == "running":
        await ready(workers)
    workers.pool.adopt(GateHandlerFactory(workers.gate.folder, "changed"))
    workers.submit("a", "word")
    assert (await workers.ended()).outcome.error == "changed"
    os.kill(await ready(workers), signal.SIGKILL)
    await eventually(lambda: bool(losses(workers)) and workers.pool.room() > 0)
    workers.submit("b", "word")
    assert (await workers.ended()).outcome.error == "changed"


async def test_a_process_that_hangs_as_a_whole_is_replaced(
    workers: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a sign of life, its attempts are interrupted as after a death."""
    monkeypatch.setattr(child_process, "PATIENCE", 0.0)
    workers.submit("a")
    await workers.begin("a")
    pid = await ready(workers)
    os.kill(pid, signal.SIGSTOP)

    def lost() -> bool:
        workers.pool.check()
        return bool(losses(workers))

    await eventually(lost)
    assert losses(workers) == [WorkerProcessLost(pid=pid, cause="no answer for 0 s", in_flight=1)]
    assert (await workers.ended()).outcome.counted is False
    assert not psutil.pid_exists(pid)


async def test_a_process_that_answers_is_left_alone(workers: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even without patience, since each answer comes before the next check."""
    monkeypatch.setattr(child_process, "PATIENCE", 0.0)
    pid = await ready(workers)
    for number in range(10):
        workers.pool.check()
        workers.submit(f"t{number}", "big")
        await workers.ended()
    assert (workers.pids, losses(workers)) == ([pid], [])


async def test_a_process_that_never_gets_ready_is_replaced(
    workers: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its unsent attempts are interrupted and may run elsewhere."""
    monkeypatch.setattr(child_process, "START_PATIENCE", 0.0)
    workers.submit("a")
    await eventually(lambda: bool(workers.pids))
    (pid,) = workers.pids
    workers.pool.check()
    outcome = (await workers.ended()).outcome
    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, False)
    assert losses(workers) == [WorkerProcessLost(pid=pid, cause="no answer for 0 s", in_flight=0)]


async def test_a_process_that_cannot_be_started_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each failed start is an event, and the consumer is not ready."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "no-python"))
    bench = Bench(WorkerProcess, tmp_path)
    await bench.start()
    assert bench.pool.trouble == "the worker process has not started yet"
    await eventually(lambda: len(losses(bench)) >= 3)
    assert losses(bench)[0].cause == "it cannot be started: No such file or directory"
    monkeypatch.undo()
    bench.pool.resize(1)
    await eventually(lambda: bench.pool.room() > 0)
    bench.gate.open()
    bench.submit("a")
    assert (await bench.ended()).outcome.kind is OutcomeKind.OK
    await bench.pool.close()


async def test_the_end_does_not_wait_for_a_process_that_is_starting(workers: Bench) -> None:
    """Its unsent attempts are taken back at once, and the process is gone."""
    workers.submit("a")
    await eventually(lambda: bool(workers.pids))
    (pid,) = workers.pids
    os.kill(pid, signal.SIGSTOP)
    assert [item.key[0] for item in await workers.pool.withdraw()] == ["a"]
    async with asyncio.timeout(DEADLINE):
        await workers.pool.close()
    assert not psutil.pid_exists(pid)


async def test_the_end_does_not_wait_for_a_process_that_is_to_be_started_again(workers: Bench) -> None:
    """During the pause after a death there is no process to end."""
    os.kill(await ready(workers), signal.SIGKILL)
    await eventually(lambda: bool(losses(workers)))
    workers.submit("a")
    assert [item.key[0] for item in await workers.pool.withdraw()] == ["a"]
    async with asyncio.timeout(DEADLINE):
        await workers.pool.close()
    assert workers.pids == []


async def test_the_end_does_not_wait_for_a_process_that_hangs(workers: Bench) -> None:
    """Attempts that it does not give back are interrupted."""
    workers.submit("a")
    await workers.begin("a")
    pid = await ready(workers)
    os.kill(pid, signal.SIGSTOP)
    assert await workers.pool.withdraw() == []
    assert [item.key[0] for item in workers.pool.interrupt()] == ["a"]
    async with asyncio.timeout(DEADLINE):
        await workers.pool.close()
    assert not psutil.pid_exists(pid)
    assert losses(workers) == []


async def test_signals_to_the_process_group_do_not_end_it(workers: Bench) -> None:
    """Ctrl-C on a terminal reaches the child, too; the parent decides."""
    pid = await ready(workers)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    workers.gate.open()
    workers.submit("a")
    assert (await workers.ended()).outcome.kind is OutcomeKind.OK
    assert (workers.pids, losses(workers)) == ([pid], [])


async def test_log_records_of_the_child_are_logged_by_the_parent(
    workers: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    workers.gate.open()
    workers.submit("a", "log")
    await workers.ended()
    assert [(record.name, record.getMessage()) for record in caplog.records] == [("gate", "task a began")]
