"""ProcessPool: each process has its own attempts, and the death of one does not touch the others."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from taskrunner.consumer.affinity import Affinity
from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.processes.process_pool import ProcessPool
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.contract.workers.bench import DEADLINE, Bench
from tests.tools.waiting import eventually


@pytest.fixture
async def processes(tmp_path: Path) -> AsyncIterator[Bench]:
    """Two processes with two workers each, ready to run."""
    bench = Bench(partial(ProcessPool, 2), tmp_path)
    await bench.start()
    bench.pool.resize(4)
    await eventually(lambda: bench.pool.trouble is None)
    yield bench
    bench.gate.open()
    await bench.pool.close()


async def begin(bench: Bench, names: str, what: str = "") -> list[ClaimedAttempt]:
    begun = [bench.submit(name, what) for name in names]
    await bench.begin(*names)
    return begun


async def test_attempts_are_dealt_out_evenly(processes: Bench) -> None:
    """As many attempts as workers all begin, whichever process the workers are in."""
    assert len(set(processes.pids)) == 2
    await begin(processes, "abcd")
    assert (processes.pool.total, processes.pool.busy, processes.pool.room()) == (4, 4, 0)


async def test_the_death_of_one_process_does_not_touch_the_other(processes: Bench) -> None:
    """Half of the attempts are interrupted, the others end; meanwhile the other process has room."""
    await begin(processes, "abcd")
    os.kill(processes.pids[0], signal.SIGKILL)
    lost = [await processes.ended() for _ in range(2)]
    assert {each.outcome.kind for each in lost} == {OutcomeKind.INTERRUPTED}
    assert processes.pool.in_flight == 2
    processes.gate.open()
    processes.submit("e")
    kinds = [(await processes.ended()).outcome.kind for _ in range(3)]
    assert kinds == [OutcomeKind.OK] * 3
    shown = processes.pool.describe()["processes"]
    assert [each["last_loss"] for each in shown] == ["signal SIGKILL", None]


async def test_a_cancel_reaches_only_its_own_attempt(processes: Bench) -> None:
    """Each process numbers its own attempts."""
    for attempt in await begin(processes, "ab", "heed"):
        processes.pool.cancel([attempt])
        finished = await processes.ended()
        assert (finished, finished.outcome.kind) == (attempt, OutcomeKind.CANCELLED)


async def test_deaths_are_counted_by_task_and_not_by_process(processes: Bench) -> None:
    """A task that kills a different process each time comes to its end, too."""
    counted = []
    for _ in range(3):
        await eventually(lambda: processes.pool.room() > 0)
        processes.submit("poison", "kill")
        counted.append((await processes.ended()).outcome.counted)
    assert counted == [False, False, True]


async def test_each_process_is_bound_to_a_processor_of_its_own(processes: Bench) -> None:
    """Both look for the idlest processor at the same moment."""
    affinity = Affinity(Events(), processes.pool)

    def bound() -> list[set[int]]:
        return [os.sched_getaffinity(pid) for pid in processes.pids]

    async with asyncio.timeout(DEADLINE):
        while any(len(processors) > 1 for processors in bound()):  # noqa: ASYNC110
            await asyncio.sleep(await affinity.turn())
    first, second = bound()
    assert first != second


async def test_an_odd_number_of_workers_is_dealt_out_whole(processes: Bench) -> None:
    processes.pool.resize(3)
    assert processes.pool.total == 3
    processes.pool.resize(1)
    assert processes.pool.total == 1
    await begin(processes, "a")


async def test_no_attempt_waits_in_a_process_without_workers(processes: Bench) -> None:
    """One worker is left, in the first process; attempts claimed for more workers wait for it."""
    processes.pool.resize(1)
    processes.gate.open()
    for name in ("a", "bcd"):
        for each in name:
            processes.submit(each)
        for _ in name:
            assert (await processes.ended()).outcome.kind is OutcomeKind.OK


async def test_a_process_without_workers_gets_no_attempt_when_the_other_dies(
    processes: Bench,
) -> None:
    """An attempt claimed before the death waits for the next process, which has workers again."""
    processes.pool.resize(1)
    processes.gate.open()
    processes.submit("a")
    await processes.ended()
    os.kill(processes.pids[0], signal.SIGKILL)
    await eventually(lambda: processes.pool.room() == 0)
    processes.submit("b")
    assert (await processes.ended()).outcome.kind is OutcomeKind.OK


async def test_short_tasks_do_not_wait_behind_the_long_ones_of_the_other_process(processes: Bench) -> None:
    """An attempt claimed ahead goes to the process with room for it."""
    begun = await begin(processes, "abcd", "heed")
    # The attempts were dealt out in turn.
    processes.pool.cancel([begun[0], begun[2]])
    for _ in range(2):
        await processes.ended()
    for number in range(200):
        processes.submit(f"short{number}", "big")
        await processes.ended()
    ahead = processes.pool.room()
    assert ahead > 2
    for number in range(ahead):
        processes.submit(f"ahead{number}", "big")
    for _ in range(ahead):
        await processes.ended()
    assert processes.pool.in_flight == 2


async def test_unsent_attempts_run_though_the_pool_shrinks_before_their_process_is_ready(
    tmp_path: Path,
) -> None:
    bench = Bench(partial(ProcessPool, 2), tmp_path)
    await bench.start()
    bench.pool.resize(4)
    for name in "abcd":
        bench.submit(name)
    bench.pool.resize(1)
    bench.gate.open()
    for _ in range(4):
        assert (await bench.ended()).outcome.kind is OutcomeKind.OK
    await bench.pool.close()
