"""Reports on SQL: a row for each consumer, and one for each process and time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, delete, func, insert, select

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.fleet.figures import KEPT
from taskrunner.domain.fleet.worker_report import WorkerReport
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.fleet_store import FleetStore, StoredFigures, decode_figures, decode_worker_report
from taskrunner.stores.sql.fields import LAST_ID
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import figures as figures_table
from taskrunner.stores.sql.tables import tasks, worker_reports

# Void rows that one report removes.
_PRUNED = 500


class SqlFleetStore(SqlPart, FleetStore):
    async def report(
        self, report: WorkerReport | None, figures: Sequence[StoredFigures], *, now: datetime, until: datetime
    ) -> None:
        rows = [
            {
                "place": f"{_place(each.seconds, each.start)}{each.process}",
                "until_ms": (each.start + (KEPT[each.seconds] + 1) * each.seconds) * 1000,
                "encoded": encode(each.figures).decode(),
            }
            for each in figures
        ]

        def write(session: Session) -> None:
            if report is not None:
                row = {"id": report.id, "until_ms": to_ms(until), "encoded": encode(report).decode()}
                session.run(_delete_reports, [{"id": report.id}])
                session.run(_insert_reports, [row])
            if rows:
                session.run(_delete_figures, [{"place": row["place"]} for row in rows])
                session.run(_insert_figures, rows)
            _prune(session, to_ms(now))

        await self._connection.write(write)

    async def worker_reports(self, *, now: datetime) -> Sequence[WorkerReport]:
        rows = await self._connection.read(lambda session: session.fetch(_valid, now=to_ms(now)))
        return sorted((decode_worker_report(row[0].encode()) for row in rows), key=lambda each: each.id)

    async def figures(self, *, seconds: int, first: int, last: int) -> Sequence[StoredFigures]:
        between = {"first": _place(seconds, first), "last": f"{_place(seconds, last)}{LAST_ID}"}
        rows = await self._connection.read(lambda session: session.fetch(_figures_between, **between))
        return [
            StoredFigures(
                seconds=seconds,
                start=int(place.split(":", 2)[1]),
                process=place.split(":", 2)[2],
                figures=decode_figures(encoded.encode()),
            )
            for place, encoded in sorted(map(tuple, rows))
        ]

    async def queued_since(self, *, limit: int) -> Mapping[str, datetime]:
        rows = await self._connection.read(
            lambda session: session.fetch(_queued_since, status=Status.QUEUED.value, limit=limit)
        )
        return {queue: from_ms(since) for queue, since in rows}


def _place(seconds: int, start: int) -> str:
    """Sorts by resolution, then by time."""
    return f"{seconds:02}:{max(0, start):012}:"


def _prune(session: Session, now_ms: int) -> None:
    reports = session.fetch(_void_reports, now=now_ms, limit=_PRUNED)
    if reports:
        session.run(_delete_reports, [{"id": row[0]} for row in reports])
    places = session.fetch(_void_figures, now=now_ms, limit=_PRUNED)
    if places:
        session.run(_delete_figures, [{"place": row[0]} for row in places])


@statement
def _insert_reports(rows: IncomingRows) -> Executable:
    v = rows(*worker_reports.c)
    return insert(worker_reports).from_select(worker_reports.c.keys(), select(*v.c))


@statement
def _delete_reports(rows: IncomingRows) -> Executable:
    v = rows(worker_reports.c.id)
    return delete(worker_reports).where(worker_reports.c.id.in_(select(v.c.id)))


@statement
def _insert_figures(rows: IncomingRows) -> Executable:
    v = rows(*figures_table.c)
    return insert(figures_table).from_select(figures_table.c.keys(), select(*v.c))


@statement
def _delete_figures(rows: IncomingRows) -> Executable:
    v = rows(figures_table.c.place)
    return delete(figures_table).where(figures_table.c.place.in_(select(v.c.place)))


@query
def _valid(_: IncomingRows) -> "Select[Any]":
    return select(worker_reports.c.encoded).where(worker_reports.c.until_ms > parameter("now"))


@query
def _void_reports(_: IncomingRows) -> "Select[Any]":
    void = select(worker_reports.c.id).where(worker_reports.c.until_ms <= parameter("now"))
    return void.order_by(worker_reports.c.id).limit(parameter("limit")).with_for_update(skip_locked=True)


@query
def _void_figures(_: IncomingRows) -> "Select[Any]":
    void = select(figures_table.c.place).where(figures_table.c.until_ms <= parameter("now"))
    oldest = void.order_by(figures_table.c.until_ms).limit(parameter("limit"))
    return oldest.with_for_update(skip_locked=True)


@query
def _figures_between(_: IncomingRows) -> "Select[Any]":
    place = figures_table.c.place
    found = select(place, figures_table.c.encoded)
    return found.where(place >= parameter("first", TEXT), place <= parameter("last", TEXT))


@query
def _queued_since(_: IncomingRows) -> "Select[Any]":
    queued = select(tasks.c.queue, tasks.c.updated_ms).where(tasks.c.status == parameter("status", TEXT))
    oldest = queued.order_by(tasks.c.created_at_ms, tasks.c.id).limit(parameter("limit")).subquery("q")
    return select(oldest.c.queue, func.min(oldest.c.updated_ms)).group_by(oldest.c.queue)
