"""The gradual requeue requeues dead letters in waves, and stops when too many of them fail again."""

import asyncio

from taskrunner.domain.status import TERMINAL, Status
from taskrunner.domain.task_filter import TaskFilter
from taskrunner.domain.value import Value, replace
from taskrunner.producer.bulk_actions import BulkActions, BulkResult
from taskrunner.stores.base import OperatorStore

# A percentage of fewer ended tasks means nothing.
_MIN_ENDED = 10
# A wave of `run` is a second's worth, but no more than this.
_MAX_WAVE = 100
# Requeued tasks that are looked at before each wave, one read each.
_MAX_READS = 200


class RequeueSample(Value):
    """A sample of the requeued tasks: the ids of those still watched, and how the others ended."""

    watched: tuple[str, ...] = ()
    ended: int = 0
    failed: int = 0

    def is_bad(self, stop_at: float) -> bool:
        """Whether more than `stop_at` percent failed again."""
        return self.ended >= _MIN_ENDED and self.failed * 100 > stop_at * self.ended


class RequeueWave(Value):
    """The result of one wave; `result` is None if too many had failed, so that nothing was requeued."""

    result: BulkResult | None
    sample: RequeueSample


class RequeueResult(Value):
    """The totals. `ended` counts requeued tasks that were seen to end, `failed` those that failed again."""

    matched: int = 0
    requeued: int = 0
    ended: int = 0
    failed: int = 0
    stopped: bool = False


class GradualRequeue:
    """`stop_at` is a percentage of the tasks that ended; at most `keep` are watched at a time."""

    def __init__(
        self, bulk_actions: BulkActions, store: OperatorStore, *, stop_at: float, keep: int = 10_000
    ) -> None:
        self._bulk_actions = bulk_actions
        self._store = store
        self._stop_at = stop_at
        self._keep = keep

    async def run(self, task_filter: TaskFilter, *, rate: float, limit: int | None) -> RequeueResult:
        """Requeue up to `limit`, or all, `rate` a second; waits between waves. Raises `StoreUnavailable`."""
        size_limit = min(_MAX_WAVE, max(1, int(rate)))
        matched = requeued = 0
        sample, cursor = RequeueSample(), None
        while limit is None or matched < limit:
            size = size_limit if limit is None else min(size_limit, limit - matched)
            wave = await self.wave(task_filter, limit=size, cursor=cursor, sample=sample)
            sample = wave.sample
            if wave.result is None:
                return _totals(matched, requeued, sample, stopped=True)
            matched, requeued = matched + wave.result.matched, requeued + len(wave.result.ids)
            cursor = wave.result.cursor
            await asyncio.sleep(size_limit / rate)
            if cursor is None:
                break
        sample = await self._update(sample)
        return _totals(matched, requeued, sample, stopped=sample.is_bad(self._stop_at))

    async def wave(
        self,
        task_filter: TaskFilter,
        *,
        limit: int,
        cursor: str | None,
        sample: RequeueSample,
        rate: float | None = None,
    ) -> RequeueWave:
        """Update the sample, and requeue up to `limit` unless it is bad; see `BulkActions.requeue`."""
        sample = await self._update(sample)
        if sample.is_bad(self._stop_at):
            return RequeueWave(result=None, sample=sample)
        result = await self._bulk_actions.requeue(task_filter, limit=limit, cursor=cursor, rate=rate)
        # At most half, so that tasks of earlier waves get the time to end.
        watched = (*sample.watched, *result.ids[: self._keep // 2])
        return RequeueWave(result=result, sample=replace(sample, watched=watched[-self._keep :]))

    async def _update(self, sample: RequeueSample) -> RequeueSample:
        """Check the oldest watched tasks; the others follow before the next wave."""
        checked, later = sample.watched[:_MAX_READS], list(sample.watched[_MAX_READS:])
        ended = failed = 0
        for task_id in checked:
            record = await self._store.get(task_id)
            if record is None:
                continue  # it was deleted
            if record.status in TERMINAL:
                ended += 1
                failed += record.status is Status.FAILED
            else:
                later.append(task_id)
        return RequeueSample(watched=tuple(later), ended=sample.ended + ended, failed=sample.failed + failed)


def _totals(matched: int, requeued: int, sample: RequeueSample, *, stopped: bool) -> RequeueResult:
    return RequeueResult(
        matched=matched, requeued=requeued, ended=sample.ended, failed=sample.failed, stopped=stopped
    )
