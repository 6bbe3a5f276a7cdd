"""Several crews, so that worker threads have more than one interpreter lock among them.

An attempt stays with the crew that it was given to. When one's process dies, the others go on.
"""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain

from taskrunner.consumer.crew.crew import Crew
from taskrunner.consumer.crew.suspects import Suspects
from taskrunner.consumer.running import Running
from taskrunner.consumer.workers import OnFinished, Process, WorkerPool
from taskrunner.domain.events import Events
from taskrunner.handlers.base import HandlerKit


class Crews(WorkerPool):
    """The workers of `size` child processes, dealt out as evenly as can be."""

    def __init__(self, size: int, kit: HandlerKit, events: Events, on_finished: OnFinished) -> None:
        # A task may be in other hands at each of its deaths.
        suspects = Suspects()
        self._crews = [Crew(kit, events, on_finished, suspects) for _ in range(size)]

    @property
    def processes(self) -> Sequence[Process]:
        return self._crews

    @property
    def total(self) -> int:
        return sum(crew.total for crew in self._crews)

    @property
    def busy(self) -> int:
        return sum(crew.busy for crew in self._crews)

    @property
    def in_flight(self) -> int:
        return sum(crew.in_flight for crew in self._crews)

    @property
    def task_time(self) -> float | None:
        times = [crew.task_time for crew in self._crews if crew.task_time is not None]
        return sum(times) / len(times) if times else None

    @property
    def trouble(self) -> str | None:
        return next((crew.trouble for crew in self._crews if crew.trouble is not None), None)

    def room(self) -> int:
        return sum(max(0, crew.room()) for crew in self._crews)

    async def wait_idle(self) -> None:
        await asyncio.gather(*(crew.wait_idle() for crew in self._crews))

    async def start(self) -> None:
        for crew in self._crews:
            await crew.start()

    def submit(self, running: Running) -> None:
        min(self._crews, key=_unfitness).submit(running)

    def resize(self, target: int) -> None:
        share, rest = divmod(target, len(self._crews))
        for place, crew in enumerate(self._crews):
            crew.resize(share + (place < rest))

    async def withdraw(self) -> list[Running]:
        return _joined(await asyncio.gather(*(crew.withdraw() for crew in self._crews)))

    def check(self) -> None:
        for crew in self._crews:
            crew.check()

    def cancel(self, lost: Sequence[Running]) -> None:
        for crew in self._crews:
            crew.cancel(lost)

    def renew(self, kept: Sequence[Running], lease_ends: float) -> None:
        for crew in self._crews:
            crew.renew(kept, lease_ends)

    def interrupt(self) -> list[Running]:
        return _joined(crew.interrupt() for crew in self._crews)

    async def close(self) -> None:
        await asyncio.gather(*(crew.close() for crew in self._crews))


def _unfitness(crew: Crew) -> tuple[bool, float]:
    """A crew without room comes last, however little it has: its workers may be busy for long."""
    return crew.room() <= 0, crew.load


def _joined(lists: Iterable[list[Running]]) -> list[Running]:
    return list(chain.from_iterable(lists))
