"""The gradual_requeue requeues dead letters in waves, and stops when too many of them fail again."""

import asyncio

from taskrunner.domain.status import TERMINAL, Status
from taskrunner.domain.task_filter import TaskFilter
from taskrunner.domain.value import Value, replace
from taskrunner.producer.bulk_action import BulkActions, BulkResult
from taskrunner.stores.base import OperatorStore

# Of fewer ended tasks a percentage says nothing.
_ENDED_LEAST = 10
# One wave of `run` is a second's worth, but no more than this.
_WAVE_MOST = 100
# So many are looked at, one by one, before a wave.
_LOOKED_MOST = 200


class Sample(Value):
    """Of what was requeued: some that had not ended, and how those ended that had."""

    watched: tuple[str, ...] = ()
    ended: int = 0
    failed: int = 0

    def is_bad(self, stop_at: float) -> bool:
        """Whether more than this percentage failed again."""
        return self.ended >= _ENDED_LEAST and self.failed * 100 > stop_at * self.ended


class RequeueWave(Value):
    """What one wave came to; `result` is None where too many had failed before it, so that there was none."""

    result: BulkResult | None
    sample: Sample


class RequeueResult(Value):
    """How far it came; of the requeued so many were seen to end, and of these so many failed again."""

    matched: int = 0
    requeued: int = 0
    ended: int = 0
    failed: int = 0
    stopped: bool = False


class GradualRequeue:
    """`stop_at` is a percentage of those that have ended; no more than `keep` are watched at a time."""

    def __init__(
        self, bulk_actions: BulkActions, store: OperatorStore, *, stop_at: float, keep: int = 10_000
    ) -> None:
        self._bulk_action = bulk_actions
        self._store = store
        self._stop_at = stop_at
        self._keep = keep

    async def run(self, selection: TaskFilter, *, rate: float, limit: int | None) -> RequeueResult:
        """Requeue up to `limit`, or all, `rate` a second; waits between waves. Raises `StoreUnavailable`."""
        most = min(_WAVE_MOST, max(1, int(rate)))
        matched = requeued = 0
        sample, cursor = Sample(), None
        while limit is None or matched < limit:
            size = most if limit is None else min(most, limit - matched)
            wave = await self.wave(selection, limit=size, cursor=cursor, sample=sample)
            sample = wave.sample
            if wave.result is None:
                return _rolled(matched, requeued, sample, stopped=True)
            matched, requeued = matched + wave.result.matched, requeued + len(wave.result.ids)
            cursor = wave.result.cursor
            await asyncio.sleep(most / rate)
            if cursor is None:
                break
        sample = await self._look(sample)
        return _rolled(matched, requeued, sample, stopped=sample.is_bad(self._stop_at))

    async def wave(
        self,
        selection: TaskFilter,
        *,
        limit: int,
        cursor: str | None,
        sample: Sample,
        rate: float | None = None,
    ) -> RequeueWave:
        """Look at the sample, and requeue up to `limit` if it is good; see `BulkActions.requeue`."""
        sample = await self._look(sample)
        if sample.is_bad(self._stop_at):
            return RequeueWave(result=None, sample=sample)
        result = await self._bulk_action.requeue(selection, limit=limit, cursor=cursor, rate=rate)
        # Half of the room at most, so that those before get time to end.
        watched = (*sample.watched, *result.ids[: self._keep // 2])
        return RequeueWave(result=result, sample=replace(sample, watched=watched[-self._keep :]))

    async def _look(self, sample: Sample) -> Sample:
        """At the oldest that had not ended; the others get their turn before the next wave."""
        looked, later = sample.watched[:_LOOKED_MOST], list(sample.watched[_LOOKED_MOST:])
        ended = failed = 0
        for task_id in looked:
            record = await self._store.get(task_id)
            if record is None:
                continue  # deleted by somebody
            if record.status in TERMINAL:
                ended += 1
                failed += record.status is Status.FAILED
            else:
                later.append(task_id)
        return Sample(watched=tuple(later), ended=sample.ended + ended, failed=sample.failed + failed)


def _rolled(matched: int, requeued: int, sample: Sample, *, stopped: bool) -> RequeueResult:
    return RequeueResult(
        matched=matched, requeued=requeued, ended=sample.ended, failed=sample.failed, stopped=stopped
    )
