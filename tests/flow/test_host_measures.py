"""What a consumer takes for the speed of a host, from attempts that have ended and from those under way."""

import asyncio
import threading

import pytest

from taskrunner.consumer.host_stats import HostStatsTable
from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.domain.hosts.host_name import host_of
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.handlers.base import AttemptContext
from tests.flow.gate_parts import Parts, delivered, make_parts, start
from tests.flow.local_runner import DEADLINE, OK, LocalRunner

SLOW = HostSettings().slow


@pytest.fixture
async def parts(runner: LocalRunner) -> Parts:
    return make_parts(runner)


def look_twice(runner: LocalRunner, parts: Parts, seconds: float = SLOW) -> None:
    """So many seconds apart: what is under way at both looks has taken so long."""
    parts.watch.measure_running()
    runner.clock.advance(seconds)
    parts.watch.measure_running()


async def test_a_host_is_slow_before_its_first_attempt_ends(runner: LocalRunner, parts: Parts) -> None:
    await start(runner, parts, delivered(parts, "slow.test"))
    look_twice(runner, parts)
    assert parts.hosts.get("slow.test").slow


async def test_an_attempt_that_waits_for_a_worker_has_no_age(runner: LocalRunner, parts: Parts) -> None:
    """It was claimed ahead, behind attempts of a slow host: its own host may answer at once."""
    gates = {"slow.test": threading.Event(), "fast.test": threading.Event()}

    def answer(context: AttemptContext) -> Outcome:
        assert gates[host_of(context.task.url or "")].wait(DEADLINE)
        return OK

    runner.target.answer = answer
    ended: asyncio.Queue[ClaimedAttempt] = asyncio.Queue()
    parts.pool.resize(1)
    await parts.pool.start(ended.put_nowait)
    await start(runner, parts, delivered(parts, "slow.test", "fast.test"))
    look_twice(runner, parts, 60.0)
    fast = parts.hosts.get("fast.test")
    assert fast.unmeasured
    gates["slow.test"].set()
    await asyncio.wait_for(ended.get(), DEADLINE)
    look_twice(runner, parts, SLOW / 2)
    assert fast.unmeasured
    look_twice(runner, parts, SLOW / 2)
    assert fast.slow
    gates["fast.test"].set()
    await asyncio.wait_for(parts.pool.wait_idle(), DEADLINE)
    await parts.pool.close()


async def test_a_fast_host_that_hangs_is_slow(runner: LocalRunner, parts: Parts) -> None:
    """Nothing ends there any more, so that only what is under way tells."""
    hanging = parts.hosts.get("hanging.test")
    parts.hosts.measure(hanging, 0.01, SLOW)
    await start(runner, parts, delivered(parts, *["hanging.test"] * 4))
    look_twice(runner, parts)
    assert hanging.slow


async def test_a_few_long_attempts_make_no_fast_host_slow(runner: LocalRunner, parts: Parts) -> None:
    """As many as half of those that are under way are not most of them."""
    fast = parts.hosts.get("fast.test")
    parts.hosts.measure(fast, 0.01, SLOW)
    await start(runner, parts, delivered(parts, *["fast.test"] * 2))
    parts.watch.measure_running()
    runner.clock.advance(SLOW)
    await start(runner, parts, delivered(parts, *["fast.test"] * 2))
    parts.watch.measure_running()
    assert not fast.slow


def test_a_host_at_the_border_is_not_slow_and_fast_in_turns() -> None:
    """It counts as fast again once it is clearly faster."""
    table = HostStatsTable()
    stats = table.get("border.test")
    for seconds in (1.01, 0.95, 0.9, 1.1, 0.85):
        table.measure(stats, seconds, 1.0)
        assert stats.slow
    for _ in range(3):
        table.measure(stats, 0.1, 1.0)
    assert not stats.slow


async def test_a_host_is_not_silent_for_what_earlier_attempts_did(runner: LocalRunner, parts: Parts) -> None:
    """They ended without a time that could be measured; the next one has not been looked at yet."""
    stats = parts.hosts.get("a.test")
    await start(runner, parts, delivered(parts, "a.test"))
    look_twice(runner, parts, SLOW / 4)
    assert stats.is_silent
    (attempt,) = parts.in_flight
    attempt.outcome = OK
    parts.watch.learn_from(attempt)
    parts.in_flight.remove(attempt)
    await start(runner, parts, delivered(parts, "a.test"))
    assert not stats.is_silent
