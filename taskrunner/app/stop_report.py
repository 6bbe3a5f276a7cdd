"""The stop report says every few seconds what a stop waits for."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from taskrunner.domain.clock import Clock
from taskrunner.domain.events import Events
from taskrunner.domain.process_events import StopWaits
from taskrunner.runtime.cancel_and_wait import cancel_and_wait

INTERVAL = 10.0


@asynccontextmanager
async def stop_reported(
    requested: asyncio.Event,
    events: Events,
    clock: Clock,
    waits_for: Callable[[], str],
    *,
    interval: float = INTERVAL,
) -> AsyncIterator[None]:
    """Report from the time that a stop is `requested` until the end of the context."""

    async def report() -> None:
        await requested.wait()
        began = clock.monotonic()
        while True:
            await asyncio.sleep(interval)
            events.emit(StopWaits(waited=round(clock.monotonic() - began, 1), waits_for=waits_for()))

    task = asyncio.create_task(report(), name="stop report")
    try:
        yield
    finally:
        await cancel_and_wait(task)
