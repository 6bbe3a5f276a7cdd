"""Reports on Redis: a string for each consumer and a hash of processes for each time, all with a TTL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.fleet.figures import KEPT
from taskrunner.domain.fleet.worker_report import WorkerReport
from taskrunner.stores.fleet_store import FleetStore, StoredFigures, decode_figures, decode_worker_report
from taskrunner.stores.redis.fields import Argument, pairs
from taskrunner.stores.redis.redis_connection import RedisPart


class RedisFleetStore(RedisPart, FleetStore):
    async def report(
        self, report: WorkerReport | None, figures: Sequence[StoredFigures], *, now: datetime, until: datetime
    ) -> None:
        args: list[Argument] = [to_ms(now), to_ms(until)]
        args += ("", "") if report is None else (report.id, encode(report))
        for each in figures:
            # Longer than the latest moment at which it is asked for.
            ttl_ms = (KEPT[each.seconds] + 1) * each.seconds * 1000
            args += (f"{each.seconds}:{each.start}", each.process, encode(each.figures), ttl_ms)
        await self.run("report", *args)

    async def worker_reports(self, *, now: datetime) -> Sequence[WorkerReport]:
        found = [decode_worker_report(each) for each in await self.run("worker_reports", to_ms(now))]
        return sorted(found, key=lambda each: each.id)

    async def figures(self, *, seconds: int, first: int, last: int) -> Sequence[StoredFigures]:
        found = await self.run("figures", seconds, first, last)
        return [
            StoredFigures(
                seconds=seconds, start=int(start), process=process.decode(), figures=decode_figures(encoded)
            )
            for start, process, encoded in zip(*[iter(found)] * 3, strict=True)
        ]

    async def queued_since(self, *, limit: int) -> Mapping[str, datetime]:
        found = await self.run("queued_since", limit)
        return {queue.decode(): from_ms(float(since)) for queue, since in pairs(found)}
