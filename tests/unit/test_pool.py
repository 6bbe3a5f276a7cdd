"""The pool runs attempts in threads, retires only idle ones, and replaces those that hang."""

import asyncio
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from taskrunner.brokers.base import Delivery
from taskrunner.consumer import pool as pool_module
from taskrunner.consumer.pool import Pool
from taskrunner.consumer.running import Finished, Running
from taskrunner.domain.events import Event, Events, WorkerWrittenOff
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.task import Lane, Task
from taskrunner.handlers.base import Attempting, Handler


class Gate(Handler):
    """A handler that runs each attempt until the gate is open; `begun` counts those it has taken up."""

    def __init__(self, opened: threading.Event, begun: threading.Semaphore) -> None:
        self._opened = opened
        self._begun = begun

    def run(self, attempting: Attempting) -> Outcome:
        self._begun.release()
        assert self._opened.wait(30)
        return Outcome(kind=OutcomeKind.OK)

    def close(self) -> None:
        """Nothing is kept."""


class Bench:
    """A pool of gates, with what it reported."""

    def __init__(self) -> None:
        self.opened = threading.Event()
        self.begun = threading.Semaphore(0)
        self.finished: asyncio.Queue[Finished] = asyncio.Queue()
        self.told: list[Event] = []
        events = Events()
        events.subscribe(self.told.append)
        self.pool = Pool(lambda: Gate(self.opened, self.begun), events, self.finished.put_nowait)

    async def begin(self, count: int) -> None:
        """Wait until that many attempts were taken up by threads."""
        for _ in range(count):
            assert await asyncio.to_thread(self.begun.acquire, timeout=10)

    async def outcome(self) -> Finished:
        return await asyncio.wait_for(self.finished.get(), 10)


def running(name: str, timeout: float = 30) -> Running:
    task = Task(
        id=name,
        url="http://localhost/",
        timeout=timeout,
        max_attempts=1,
        retry=RetryPolicy(),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    delivery = Delivery(b"", Lane.MEDIUM, redelivered=False, message_id=None, tag=1, epoch=1)
    return Running(
        Attempting(task, 1), delivery, attempt_limit=1, claimed_at=datetime(2026, 1, 1, tzinfo=UTC)
    )


async def until(condition: Callable[[], bool], what: str) -> None:
    """Poll with a deadline."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - threads end without telling the loop
            await asyncio.sleep(0.005)
    assert condition(), what


async def test_every_attempt_gets_its_outcome() -> None:
    """Three workers end a hundred attempts, each once."""
    bench = Bench()
    bench.opened.set()
    bench.pool.resize(3)
    for number in range(100):
        bench.pool.submit(running(f"t{number}"))
    ids = [(await bench.outcome()).running.key[0] for _ in range(100)]
    assert sorted(ids) == sorted(f"t{number}" for number in range(100))
    assert bench.pool.in_flight == 0
    bench.pool.close()


async def test_an_attempt_whose_lease_is_over_is_not_begun() -> None:
    """A process that was stopped wakes up with tasks that others may have run; the attempt does not count."""
    bench = Bench()
    late = running("late")
    late.lease_ends = time.monotonic() - 1
    bench.pool.submit(late)
    bench.pool.resize(1)
    outcome = (await bench.outcome()).outcome
    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, False)
    assert not bench.begun.acquire(blocking=False)
    bench.pool.close()


async def test_room_counts_free_workers() -> None:
    """As long as nothing was measured, nothing is claimed ahead."""
    bench = Bench()
    bench.pool.resize(2)
    assert bench.pool.room() == 2
    bench.pool.submit(running("a"))
    assert (bench.pool.room(), bench.pool.busy) == (1, 1)
    bench.opened.set()
    await bench.outcome()
    bench.pool.close()


async def test_only_idle_workers_retire() -> None:
    """A pool that shrinks under load lets what runs end first."""
    bench = Bench()
    bench.pool.resize(3)
    for name in "abc":
        bench.pool.submit(running(name))
    await bench.begin(3)
    bench.pool.resize(1)
    assert bench.pool.total == 1
    assert bench.finished.empty()
    bench.opened.set()
    assert {(await bench.outcome()).outcome.kind for _ in range(3)} == {OutcomeKind.OK}
    await until(lambda: bench.pool.total == 1 and threads() <= 1, "two threads have left")
    bench.pool.close()


def threads() -> int:
    return sum(thread.name.startswith("worker-") for thread in threading.enumerate())


async def test_withdraw_takes_back_only_what_has_not_begun() -> None:
    """At shutdown a waiting attempt is given back, a running one is let finish."""
    bench = Bench()
    bench.pool.resize(1)
    bench.pool.submit(running("runs"))
    await bench.begin(1)
    bench.pool.submit(running("waits"))
    assert [item.key[0] for item in bench.pool.withdraw()] == ["waits"]
    bench.opened.set()
    assert (await bench.outcome()).running.key[0] == "runs"
    await asyncio.wait_for(bench.pool.wait_idle(), 10)
    bench.pool.close()


async def test_an_interrupted_attempt_is_given_up_once_and_its_late_answer_dropped() -> None:
    """After an abort the thread's own answer changes nothing."""
    bench = Bench()
    bench.pool.resize(1)
    bench.pool.submit(running("a"))
    await bench.begin(1)
    (given_up,) = bench.pool.interrupt()
    assert given_up.attempting.cancelled
    assert bench.pool.interrupt() == []
    bench.opened.set()
    bench.pool.close()
    await until(lambda: threads() == 0, "the thread has left")
    await asyncio.sleep(0)
    assert bench.finished.empty()


async def test_a_worker_that_hangs_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its attempt ends as a timeout, the pool keeps its size, the late answer is dropped."""
    monkeypatch.setattr(pool_module, "OVERDUE_GRACE", 0.0)
    bench = Bench()
    bench.pool.resize(1)
    bench.pool.submit(running("hangs", timeout=0.001))
    await bench.begin(1)

    def written_off() -> bool:
        bench.pool.write_off_overdue()
        return not bench.finished.empty()

    await until(written_off, "it is overdue")
    late = await bench.outcome()
    assert late.outcome.kind is OutcomeKind.TIMEOUT
    assert bench.pool.total == 1
    assert [type(event) for event in bench.told] == [WorkerWrittenOff]
    bench.opened.set()
    bench.pool.submit(running("next"))
    assert (await bench.outcome()).running.key[0] == "next"
    assert bench.finished.empty()
    bench.pool.close()
