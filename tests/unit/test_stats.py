"""Stats: providers that answer, fail and hang."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from taskrunner.domain.errors import BrokerUnavailable
from taskrunner.domain.events import Event, Events, LoopFailed
from taskrunner.monitor import stats as stats_module
from taskrunner.monitor.stats import Cached, Stats


class FakeClock:
    """A clock that moves when it is told to."""

    seconds = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.seconds


async def test_a_provider_that_fails_gives_null_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stats_module, "PROVIDER_TIMEOUT", 0.01)

    async def away() -> Any:
        raise BrokerUnavailable("not connected")

    def broken() -> Any:
        raise KeyError("s3cret")

    async def hanging() -> Any:
        await asyncio.Event().wait()

    parts = {"a": lambda: 1, "away": away, "broken": broken, "hanging": hanging}
    events, told = Events(), list[Event]()
    events.subscribe(told.append)
    answer = await Stats(parts, FakeClock(), events).collect()
    assert (answer["a"], answer["away"], answer["broken"], answer["hanging"]) == (1, None, None, None)
    assert answer["errors"] == {
        "away": "not connected",
        "broken": "KeyError in the provider",
        "hanging": "no answer within 0.01 s",
    }
    # The only defect among them is logged with its traceback, and counted.
    [event] = told
    assert isinstance(event, LoopFailed)
    assert (event.service, type(event.error)) == ("statistics: broken", KeyError)


async def test_a_cached_provider_is_asked_once_per_interval_however_many_ask() -> None:
    clock, asked = FakeClock(), 0

    async def count() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0)
        return asked

    cached = Cached(count, clock, seconds=1.0)
    assert await asyncio.gather(*(cached() for _ in range(10))) == [1] * 10
    assert await cached() == 1
    clock.seconds = 1.5
    assert await cached() == 2


async def test_a_caller_that_gives_up_does_not_take_the_answer_from_others() -> None:
    go_on = asyncio.Event()

    async def slow() -> str:
        await go_on.wait()
        return "answer"

    cached = Cached(slow, FakeClock(), seconds=1.0)
    first, second = asyncio.create_task(cached()), asyncio.create_task(cached())
    await asyncio.sleep(0)
    first.cancel()
    go_on.set()
    assert await second == "answer"


async def test_a_failure_is_cached_too() -> None:
    asked = 0

    async def fail() -> None:
        nonlocal asked
        asked += 1
        raise BrokerUnavailable("away")

    cached = Cached(fail, FakeClock(), seconds=1.0)
    for _ in range(3):
        with pytest.raises(BrokerUnavailable):
            await cached()
    assert asked == 1
