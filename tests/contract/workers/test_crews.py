"""Several crews: each has attempts of its own, and what one process loses, the others do not notice."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from taskrunner.consumer.affinity import Affinity
from taskrunner.consumer.crew.crews import Crews
from taskrunner.consumer.running import Running
from taskrunner.domain.events import Events
from taskrunner.domain.outcome import OutcomeKind
from tests.contract.workers.bench import DEADLINE, Bench


@pytest.fixture
async def crews(tmp_path: Path) -> AsyncIterator[Bench]:
    """Two processes with two workers each, ready."""
    bench = Bench(partial(Crews, 2), tmp_path)
    await bench.pool.start()
    bench.pool.resize(4)
    await bench.until(lambda: bench.pool.trouble is None)
    yield bench
    bench.gate.open()
    await bench.pool.close()


async def begin(bench: Bench, names: str, what: str = "") -> list[Running]:
    begun = [bench.submit(name, what) for name in names]
    await bench.begin(*names)
    return begun


async def test_work_is_dealt_out_evenly(crews: Bench) -> None:
    """As many attempts as workers all begin, whichever process the workers are in."""
    assert len(set(crews.pids)) == 2
    await begin(crews, "abcd")
    assert (crews.pool.total, crews.pool.busy, crews.pool.room()) == (4, 4, 0)


async def test_what_one_process_loses_the_other_does_not_notice(crews: Bench) -> None:
    """Half of the attempts are interrupted, the others end; meanwhile there is room in the other process."""
    await begin(crews, "abcd")
    os.kill(crews.pids[0], signal.SIGKILL)
    lost = [await crews.outcome() for _ in range(2)]
    assert {each.outcome.kind for each in lost} == {OutcomeKind.INTERRUPTED}
    assert crews.pool.in_flight == 2
    crews.gate.open()
    crews.submit("e")
    kinds = [(await crews.outcome()).outcome.kind for _ in range(3)]
    assert kinds == [OutcomeKind.OK] * 3
    processes = crews.pool.describe()["processes"]
    assert [each["last_loss"] for each in processes] == ["signal SIGKILL", None]


async def test_a_cancel_meets_only_the_attempt_that_is_meant(crews: Bench) -> None:
    """Each process numbers its attempts by itself."""
    for running in await begin(crews, "ab", "heed"):
        crews.pool.cancel([running])
        finished = await crews.outcome()
        assert (finished.running, finished.outcome.kind) == (running, OutcomeKind.CANCELLED)


async def test_deaths_are_counted_by_task_and_not_by_process(crews: Bench) -> None:
    """A task that kills whatever process it gets to comes to its end all the same."""
    counted = []
    for _ in range(3):
        await crews.until(lambda: crews.pool.room() > 0)
        crews.submit("poison", "kill")
        counted.append((await crews.outcome()).outcome.counted)
    assert counted == [False, False, True]


async def test_each_process_is_bound_to_a_processor_of_its_own(crews: Bench) -> None:
    """Both begin by looking for the idlest one, at the same moment."""
    affinity = Affinity(Events(), crews.pool)

    def bound() -> list[set[int]]:
        return [os.sched_getaffinity(pid) for pid in crews.pids]

    async with asyncio.timeout(DEADLINE):
        while any(len(processors) > 1 for processors in bound()):  # noqa: ASYNC110
            await asyncio.sleep(await affinity.turn())
    first, second = bound()
    assert first != second


async def test_an_odd_number_of_workers_is_all_there(crews: Bench) -> None:
    crews.pool.resize(3)
    assert crews.pool.total == 3
    crews.pool.resize(1)
    assert crews.pool.total == 1
    await begin(crews, "a")


async def test_nothing_waits_where_no_worker_is(crews: Bench) -> None:
    """One worker is left, in the first process; what was claimed for more of them waits for it."""
    crews.pool.resize(1)
    crews.gate.open()
    for name in ("a", "bcd"):
        for each in name:
            crews.submit(each)
        for _ in name:
            assert (await crews.outcome()).outcome.kind is OutcomeKind.OK


async def test_nothing_is_given_to_a_process_without_workers_when_the_other_one_dies(crews: Bench) -> None:
    """It was claimed before the death; the next process has workers again."""
    crews.pool.resize(1)
    crews.gate.open()
    crews.submit("a")
    await crews.outcome()
    os.kill(crews.pids[0], signal.SIGKILL)
    await crews.until(lambda: crews.pool.room() == 0)
    crews.submit("b")
    assert (await crews.outcome()).outcome.kind is OutcomeKind.OK


async def test_short_tasks_do_not_wait_behind_the_long_ones_of_the_other_process(crews: Bench) -> None:
    """What is claimed ahead goes where it was claimed for."""
    begun = await begin(crews, "abcd", "heed")
    # They were dealt out in turn.
    crews.pool.cancel([begun[0], begun[2]])
    for _ in range(2):
        await crews.outcome()
    for number in range(200):
        crews.submit(f"short{number}", "big")
        await crews.outcome()
    ahead = crews.pool.room()
    assert ahead > 2
    for number in range(ahead):
        crews.submit(f"ahead{number}", "big")
    for _ in range(ahead):
        await crews.outcome()
    assert crews.pool.in_flight == 2


async def test_what_waits_for_a_process_that_starts_is_run_though_its_workers_are_not_needed_any_more(
    tmp_path: Path,
) -> None:
    bench = Bench(partial(Crews, 2), tmp_path)
    await bench.pool.start()
    bench.pool.resize(4)
    for name in "abcd":
        bench.submit(name)
    bench.pool.resize(1)
    bench.gate.open()
    for _ in range(4):
        assert (await bench.outcome()).outcome.kind is OutcomeKind.OK
    await bench.pool.close()
