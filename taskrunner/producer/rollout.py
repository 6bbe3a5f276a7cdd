"""The rollout requeues dead letters in waves, and stops when too many of them fail again."""

import asyncio

from taskrunner.domain.selection import Selection
from taskrunner.domain.status import TERMINAL, Status
from taskrunner.domain.value import value
from taskrunner.producer.sweep import Sweep
from taskrunner.stores.base import Store

# Of fewer ended tasks a percentage says nothing.
_SAMPLE = 10
# One wave is a second's worth, but no more than can be looked after one by one.
_WAVE_MOST = 100


@value
class Rolled:
    """How far it came; of the requeued so many ended, and of these so many failed again."""

    matched: int = 0
    requeued: int = 0
    ended: int = 0
    failed: int = 0
    stopped: bool = False


class Rollout:
    """`rate` is dead letters a second, `stop_at` a percentage of those that have ended."""

    def __init__(self, sweep: Sweep, store: Store, *, rate: float, stop_at: float) -> None:
        self._sweep = sweep
        self._store = store
        self._wave = min(_WAVE_MOST, max(1, int(rate)))
        self._pause = self._wave / rate
        self._stop_at = stop_at
        self._watched: list[str] = []
        self._ended = self._failed = 0

    async def run(self, selection: Selection, *, limit: int | None) -> Rolled:
        """Requeue up to `limit`, or all; waits between waves. Raises `StoreUnavailable`."""
        matched = requeued = 0
        cursor: str | None = None
        while limit is None or matched < limit:
            size = self._wave if limit is None else min(self._wave, limit - matched)
            swept = await self._sweep.requeue(selection, limit=size, cursor=cursor)
            matched, requeued, cursor = matched + swept.matched, requeued + len(swept.ids), swept.cursor
            self._watched += swept.ids
            await asyncio.sleep(self._pause)
            await self._look()
            stopped = self._ended >= _SAMPLE and self._failed * 100 > self._stop_at * self._ended
            if stopped or cursor is None:
                return self._rolled(matched, requeued, stopped=stopped)
        return self._rolled(matched, requeued, stopped=False)

    async def _look(self) -> None:
        """At the oldest that had not ended; the others get their turn after the next wave."""
        looked, self._watched = self._watched[: 2 * _WAVE_MOST], self._watched[2 * _WAVE_MOST :]
        for task_id in looked:
            record = await self._store.get(task_id)
            if record is None:
                continue  # deleted by somebody
            if record.status in TERMINAL:
                self._ended += 1
                self._failed += record.status is Status.FAILED
            else:
                self._watched.append(task_id)

    def _rolled(self, matched: int, requeued: int, *, stopped: bool) -> Rolled:
        return Rolled(
            matched=matched, requeued=requeued, ended=self._ended, failed=self._failed, stopped=stopped
        )
