"""The process reporter tells the store what this process has counted, and what its workers do."""

from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Protocol

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events
from taskrunner.domain.fleet.figures import KEPT, MINUTE, SECOND, Figures, in_sequence
from taskrunner.domain.fleet.worker_report import WorkerReport
from taskrunner.domain.value import replace
from taskrunner.runtime.service import Service
from taskrunner.stores.base import FleetStore, StoredFigures

# Seconds between two reports, and after which a report without a successor is void.
INTERVAL = 2
VALID = 6.0
# Seconds that wait for a store that is away.
_MOST_WAITING = 120


class SelfDescribing(Protocol):
    """A consumer. Its threads are asked for every second, its report for every call of the store."""

    @property
    def threads(self) -> int: ...

    async def __call__(self) -> WorkerReport: ...


class ProcessReporter(Service):
    """`counted` answers the figures since the start of the process, `depth` the ready messages."""

    def __init__(
        self,
        store: FleetStore,
        events: Events,
        clock: Clock,
        *,
        process: str,
        counted: Callable[[], Figures],
        depth: Callable[[], Awaitable[int | None]],
        workers: SelfDescribing | None,
    ) -> None:
        super().__init__("process reporter", events)
        self._store = store
        self._clock = clock
        self._process = process
        self._counted = counted
        self._depth = depth
        self._workers = workers
        self._before = Figures()
        self._second = int(clock.now().timestamp()) - 1
        self._seconds: deque[StoredFigures] = deque(maxlen=_MOST_WAITING)
        self._minutes: dict[int, Figures] = {}
        self._depth_now: int | None = None

    async def turn(self) -> float:
        ended = int(self._clock.now().timestamp()) - 1
        # Not `>`: a clock that was set back would report nothing until it is where it was.
        if ended != self._second:
            self._sample(ended)
            self._second = ended
            if ended % INTERVAL == 0:
                self._depth_now = await self._depth()
                await self._send()
        return 1 - self._clock.now().timestamp() % 1

    async def stop(self) -> None:
        """The last figures are sent as well."""
        await super().stop()
        self._sample(int(self._clock.now().timestamp()))
        with suppress(OutsideError):
            await self._send()

    def _sample(self, second: int) -> None:
        """Note what was counted until the end of this second."""
        counted = self._counted()
        workers = self._workers
        figures = replace(
            counted.since(self._before),
            depth=self._depth_now,
            workers=None if workers is None else workers.threads,
            sampled_at=second,
        )
        self._before = counted
        self._seconds.append(self._stored(SECOND, second, figures))
        minute = second - second % MINUTE
        so_far = self._minutes.get(minute)
        self._minutes[minute] = figures if so_far is None else in_sequence([so_far, figures])
        if len(self._minutes) > KEPT[MINUTE]:
            del self._minutes[min(self._minutes)]

    async def _send(self) -> None:
        now = self._clock.now()
        sent = list(self._seconds)
        minutes = [self._stored(MINUTE, start, figures) for start, figures in self._minutes.items()]
        report = None if self._workers is None else await self._workers()
        until = now + timedelta(seconds=VALID)
        await self._store.report(report, [*sent, *minutes], now=now, until=until)
        for _ in sent:
            self._seconds.popleft()
        current = self._second - self._second % MINUTE
        self._minutes = {start: each for start, each in self._minutes.items() if start >= current}

    def _stored(self, seconds: int, start: int, figures: Figures) -> StoredFigures:
        return StoredFigures(seconds=seconds, start=start, process=self._process, figures=figures)
