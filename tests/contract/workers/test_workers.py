"""Workers run attempts, retire only when they are idle, and are replaced when they hang."""

import asyncio
import time

from taskrunner.domain.events import WorkerWrittenOff
from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.contract.workers.bench import DEADLINE, Bench
from tests.tools.attempts import make_claimed
from tests.tools.gate import GateHandlerFactory
from tests.tools.waiting import eventually


async def test_every_attempt_gets_its_outcome(bench: Bench) -> None:
    """Two workers end a hundred attempts, each once."""
    bench.gate.open()
    for number in range(100):
        bench.submit(f"t{number}")
    ids = [(await bench.ended()).key[0] for _ in range(100)]
    assert sorted(ids) == sorted(f"t{number}" for number in range(100))
    assert bench.pool.in_flight == 0


async def test_big_bodies_come_whole(bench: Bench) -> None:
    """Fifty answers of a megabyte each arrive at their own attempts."""
    for number in range(50):
        bench.submit(f"t{number}", "big")
    for _ in range(50):
        finished = await bench.ended()
        response = finished.outcome.response
        assert response is not None
        assert response.body == finished.key[0].encode().ljust(1024 * 1024, b".")


async def test_an_attempt_whose_lease_is_over_is_not_begun(bench: Bench) -> None:
    """A process that was stopped wakes up with tasks that others have run; the attempt does not count."""
    late = make_claimed("late")
    late.lease_ends = time.monotonic() - 1
    bench.pool.submit(late)
    outcome = (await bench.ended()).outcome
    assert (outcome.kind, outcome.counted) == (OutcomeKind.INTERRUPTED, False)
    assert bench.gate.begun == set()


async def test_a_lease_that_was_renewed_lets_an_attempt_begin(bench: Bench) -> None:
    """A waiting attempt begins by its present lease, not by the one it was submitted with."""
    for name in "ab":
        bench.submit(name)
    await bench.begin("a", "b")
    waiting = make_claimed("c")
    waiting.lease_ends = 0.0
    bench.pool.submit(waiting)
    bench.pool.renew([waiting], time.monotonic() + 60)
    bench.gate.open()
    kinds = [(await bench.ended()).outcome.kind for _ in range(3)]
    assert kinds == [OutcomeKind.OK] * 3


async def test_what_waits_for_a_worker_is_not_under_way(bench: Bench) -> None:
    """However long it waits: only what a worker has begun is."""
    first = [bench.submit(name) for name in "ab"]
    await bench.begin("a", "b")
    for name in "cdef":
        bench.submit(name)
    assert list(bench.pool.under_way()) == first


async def test_room_counts_free_workers(bench: Bench) -> None:
    """Before the first measurement nothing is claimed ahead."""
    assert bench.pool.room() == 2
    bench.submit("a")
    assert (bench.pool.room(), bench.pool.busy) == (1, 1)
    bench.gate.open()
    await bench.ended()


async def test_a_pool_that_shrinks_lets_what_runs_end_first(bench: Bench) -> None:
    bench.pool.resize(3)
    for name in "abc":
        bench.submit(name)
    await bench.begin("a", "b", "c")
    bench.pool.resize(1)
    assert bench.pool.total == 1
    assert bench.finished.empty()
    bench.gate.open()
    assert {(await bench.ended()).outcome.kind for _ in range(3)} == {OutcomeKind.OK}


async def test_a_pool_that_shrank_runs_no_more_than_it_should(bench: Bench) -> None:
    """The surplus worker has left."""
    bench.pool.resize(1)
    bench.submit("a")
    bench.submit("b")
    await eventually(lambda: len(bench.gate.begun) == 1)
    (given_back,) = await bench.pool.withdraw()
    assert {given_back.key[0]} == {"a", "b"} - bench.gate.begun


async def test_a_cancelled_attempt_ends(bench: Bench) -> None:
    attempt = bench.submit("a", "heed")
    await bench.begin("a")
    bench.pool.cancel([attempt])
    assert (await bench.ended()).outcome.kind is OutcomeKind.CANCELLED


async def test_a_cancel_is_kept_for_an_attempt_that_has_not_begun(bench: Bench) -> None:
    """The workers themselves may only be starting."""
    bench.pool.cancel([bench.submit("a", "heed")])
    assert (await bench.ended()).outcome.kind is OutcomeKind.CANCELLED


async def test_withdraw_takes_back_only_what_has_not_begun(bench: Bench) -> None:
    """At shutdown waiting attempts are given back, and running ones finish."""
    for name in "abc":
        bench.submit(name)
    await eventually(lambda: len(bench.gate.begun) == 2)
    assert {item.key[0] for item in await bench.pool.withdraw()} == set("abc") - bench.gate.begun
    bench.gate.open()
    async with asyncio.timeout(DEADLINE):
        await bench.pool.wait_idle()


async def test_an_interrupted_attempt_ends_once_and_its_late_outcome_is_dropped(bench: Bench) -> None:
    bench.submit("a")
    await bench.begin("a")
    (given_up,) = bench.pool.interrupt()
    assert given_up.cancelled
    assert bench.pool.interrupt() == []
    bench.gate.open()
    bench.submit("b")
    assert (await bench.ended()).key[0] == "b"
    assert bench.finished.empty()


async def test_a_worker_that_hangs_is_replaced(bench: Bench) -> None:
    """Its attempt ends as a timeout, the pool keeps its size, and the late outcome is dropped."""
    bench.pool.resize(1)
    bench.submit("hangs", timeout=0.001)
    await bench.begin("hangs")

    def ended() -> bool:
        bench.pool.check()
        return not bench.finished.empty()

    await eventually(ended)
    assert (await bench.ended()).outcome.kind is OutcomeKind.TIMEOUT
    assert bench.pool.total == 1
    assert [type(event) for event in bench.told] == [WorkerWrittenOff]
    bench.gate.open()
    bench.submit("next")
    assert (await bench.ended()).key[0] == "next"
    assert bench.finished.empty()


async def test_a_shortage_is_trouble(bench: Bench) -> None:
    """`/health` tells it from here; the workers go on."""
    await eventually(lambda: bench.pool.trouble is None)
    bench.submit("short", "short")

    assert (await bench.ended()).outcome.shortage
    assert bench.pool.trouble == "no threads"
    bench.gate.open()
    bench.submit("next")
    assert (await bench.ended()).outcome.kind is OutcomeKind.OK


async def test_workers_take_over_what_has_changed(bench: Bench) -> None:
    """Those that run, and attempts that are handed over right after the change."""
    bench.submit("before", "word")
    assert (await bench.ended()).outcome.error == ""
    bench.pool.adopt(GateHandlerFactory(bench.gate.folder, "changed"))
    for number in range(4):
        bench.submit(f"t{number}", "word")
    assert {(await bench.ended()).outcome.error for _ in range(4)} == {"changed"}
