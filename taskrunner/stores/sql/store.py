"""The store on SQL: each method is one transaction, of statements over the whole batch."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.errors import WriteUnconfirmed
from taskrunner.domain.events import Events
from taskrunner.domain.record import DeadLetter, Record
from taskrunner.domain.status import Status
from taskrunner.stores.base import (
    Accepted,
    AttemptRef,
    Claimed,
    Due,
    NewTask,
    Page,
    Settlement,
    Snooze,
    Store,
    StoredSchedule,
    StoreStatus,
)
from taskrunner.stores.host_store import HostAnswer, HostEdit, HostEntry
from taskrunner.stores.inspection import Inspection, Overdue
from taskrunner.stores.sql import changes, host_store, inspection, reads, removals, schedules, values
from taskrunner.stores.sql.engine import Engine
from taskrunner.stores.sql.host_store import host_statements
from taskrunner.stores.sql.inspection import inspection_statements
from taskrunner.stores.sql.schedules import schedule_statements
from taskrunner.stores.sql.settings import SqliteFile, SqlSettings, database
from taskrunner.stores.sql.sql_connection import SqlStoreConnection
from taskrunner.stores.sql.statements import statements

# The ledger of counts is summed up this often, in milliseconds of the caller's clock.
_FOLD_EVERY_MS = 1000


class SqlStore(Store):
    """See `Store`. Ids sort by their bytes. `upgrade` makes the tables; nothing else does."""

    def __init__(self, settings: SqlSettings, events: Events) -> None:
        where = database(settings)
        # Each is imported where it is wanted: asyncpg and SQLAlchemy's asyncio are 0.2 s of a start.
        engine: Engine
        if isinstance(where, SqliteFile):
            from taskrunner.stores.sql.sqlite import SqliteEngine

            engine, dialect = SqliteEngine(where, settings), "sqlite"
        else:
            from taskrunner.stores.sql.postgres import PostgresEngine

            engine, dialect = PostgresEngine(where, settings), "postgresql"
        self.name = where.service
        self._sql = statements(dialect)
        self._schedules = schedule_statements(dialect)
        self._hosts = host_statements(dialect)
        self._inspection = inspection_statements(dialect)
        self._link = SqlStoreConnection(engine, settings, where, events)
        self._folded_ms = 0

    async def upgrade(self) -> None:
        """Make the tables, or bring them up to date; call it before `start`. Safe in many places at once.

        Raises `StoreUnavailable`, and `StoreUnfit` for what it must not touch: a newer schema, a file that is
        not a database or another program's.
        """
        await self._link.upgrade()

    async def start(self) -> None:
        self._link.start()

    async def wait_ready(self, timeout: float) -> None:
        await self._link.wait_ready(timeout)

    async def stop(self) -> None:
        await self._link.stop()

    def status(self) -> StoreStatus:
        return self._link.status()

    async def ping(self) -> None:
        await self._link.ping()

    async def check_replicas(self) -> None:
        await self._link.check_replicas()

    async def replicate(self, ids: Sequence[str]) -> None:
        await self._link.replicate()
        wanted = list(dict.fromkeys(ids))
        found = await self._link.read(lambda session: reads.existing(session, self._sql, wanted))
        if found < len(wanted):
            raise WriteUnconfirmed(
                f"{len(wanted) - found} of {len(wanted)} records that were written "
                f"are not in {self.name}: another server took its place"
            )

    async def accept(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        if not tasks:
            return []
        return await self._link.write(lambda session: changes.accept(session, self._sql, tasks))

    async def mark_queued(self, refs: Sequence[AttemptRef], *, now: datetime, due: datetime) -> None:
        if refs:
            moments = {"now": to_ms(now), "due": to_ms(due)}
            await self._link.write(lambda session: changes.mark_queued(session, self._sql, refs, **moments))

    async def claim(
        self, refs: Sequence[AttemptRef], *, now: datetime, lease_until: datetime, consumer: str
    ) -> Sequence[Claimed]:
        if not refs:
            return []
        moments = {"now": to_ms(now), "due": to_ms(lease_until)}
        return await self._link.write(
            lambda session: changes.claim(session, self._sql, refs, consumer=consumer, **moments)
        )

    async def renew(self, refs: Sequence[AttemptRef], *, lease_until: datetime) -> Sequence[bool]:
        if not refs:
            return []
        due = to_ms(lease_until)
        return await self._link.write(lambda session: changes.renew(session, self._sql, refs, due=due))

    async def still_running(self, refs: Sequence[AttemptRef]) -> Sequence[bool]:
        if not refs:
            return []
        return await self._link.read(lambda session: changes.still_running(session, self._sql, refs))

    async def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> Sequence[bool]:
        if not settlements:
            return []
        now_ms = to_ms(now)
        return await self._link.write(
            lambda session: changes.settle(session, self._sql, settlements, now=now_ms)
        )

    async def take_due(self, *, now: datetime, limit: int, hold: float) -> Sequence[Due]:
        """Fewer than `limit`, though more are due, when these alone are several MiB or others hold them."""
        if limit < 1:
            return []
        now_ms, again = to_ms(now), to_ms(now + timedelta(seconds=hold))
        return await self._link.write(
            lambda session: changes.take_due(session, self._sql, now=now_ms, limit=limit, again=again)
        )

    async def postpone(self, refs: Sequence[AttemptRef], *, due: datetime) -> None:
        if refs:
            due_ms = to_ms(due)
            await self._link.write(lambda session: changes.postpone(session, self._sql, refs, due=due_ms))

    async def snooze(self, snoozes: Sequence[Snooze], *, now: datetime) -> Sequence[bool]:
        if not snoozes:
            return []
        now_ms = to_ms(now)
        return await self._link.write(lambda session: changes.snooze(session, self._sql, snoozes, now=now_ms))

    async def fail(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        reason: str,
        error: str,
        keep: float,
        expired: bool = False,
    ) -> Sequence[bool]:
        ending = {"status": Status.FAILED, "reason": values.text(reason), "error": values.text(error)}
        return await self._finish(refs, {**ending, "expired": expired}, now=now, keep=keep)

    async def cancel(
        self, refs: Sequence[AttemptRef], *, now: datetime, error: str, keep: float
    ) -> Sequence[bool]:
        ending = {"status": Status.CANCELLED, "reason": Status.CANCELLED.value, "error": values.text(error)}
        return await self._finish(refs, ending, now=now, keep=keep)

    async def _finish(
        self, refs: Sequence[AttemptRef], ending: Mapping[str, Any], *, now: datetime, keep: float
    ) -> Sequence[bool]:
        if not refs:
            return []
        now_ms = to_ms(now)
        expires = now_ms + values.retention_ms(keep)
        return await self._link.write(
            lambda session: changes.finish(session, self._sql, refs, now=now_ms, expires=expires, **ending)
        )

    async def delete(
        self, ids: Sequence[str], *, now: datetime, keep: float, status: Status | None = None
    ) -> Sequence[bool]:
        if not ids:
            return []
        now_ms = to_ms(now)
        expires = now_ms + values.retention_ms(keep)
        return await self._link.write(
            lambda session: changes.delete(
                session, self._sql, ids, status=status, now=now_ms, expires=expires
            )
        )

    async def expired(self, *, now: datetime, limit: int) -> Sequence[Due]:
        now_ms = to_ms(now)
        return await self._link.read(
            lambda session: changes.expired(session, self._sql, now=now_ms, limit=limit)
        )

    async def requeue(self, ids: Sequence[str], *, now: datetime, due: datetime) -> Sequence[Due | None]:
        if not ids:
            return []
        moments = {"now": to_ms(now), "due": to_ms(due)}
        return await self._link.write(lambda session: changes.requeue(session, self._sql, ids, **moments))

    async def get(self, task_id: str) -> Record | None:
        asked = values.text(task_id)
        return await self._link.read(lambda session: reads.get(session, self._sql, asked))

    async def body(self, task_id: str) -> bytes | None:
        asked = values.text(task_id)
        return await self._link.read(lambda session: reads.body(session, self._sql, asked))

    async def list_tasks(self, status: Status | None, *, limit: int, cursor: str | None) -> Page[Record]:
        before = None if cursor is None else values.text(cursor)
        return await self._link.read(
            lambda session: reads.list_tasks(session, self._sql, status, limit=limit, cursor=before)
        )

    async def counts(self) -> Mapping[Status, int]:
        return await self._link.read(lambda session: reads.counts(session, self._sql))

    async def add_dead_messages(self, letters: Sequence[DeadLetter], *, keep: float) -> None:
        if letters:
            await self._link.write(
                lambda session: removals.add_dead_messages(session, self._sql, letters, keep=keep)
            )

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        asked = values.text(letter_id)
        return await self._link.read(lambda session: reads.dead_letter(session, self._sql, asked))

    async def list_dead_letters(self, *, limit: int, cursor: str | None) -> Page[DeadLetter]:
        """Raises `ValueError` for a cursor that is none of ours."""
        after = None if cursor is None else values.text(cursor)
        return await self._link.read(
            lambda session: reads.list_dead_letters(session, self._sql, limit=limit, cursor=after)
        )

    async def remove_dead_message(self, letter_id: str) -> bool:
        asked = values.text(letter_id)
        return await self._link.write(lambda session: removals.remove_dead_message(session, self._sql, asked))

    async def pause(self, scope: str, *, now: datetime) -> None:
        row = {"scope": values.text(scope), "since": to_ms(now)}
        await self._link.write(lambda session: session.run(self._sql.pause, **row))

    async def resume(self, scope: str) -> bool:
        asked = values.text(scope)
        return await self._link.write(lambda session: session.run(self._sql.resume, scope=asked)) > 0

    async def pauses(self) -> Mapping[str, datetime]:
        found = await self._link.read(lambda session: session.mapping(self._sql.pauses))
        return {scope: from_ms(since) for scope, since in found.items()}

    async def write_hosts(self, edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        if not edits:
            return []
        return await self._link.write(lambda session: host_store.write(session, self._hosts, edits))

    async def hosts(self, hosts: Sequence[str]) -> Sequence[HostEntry | None]:
        return await self._link.read(lambda session: host_store.get(session, self._hosts, hosts))

    async def live_hosts(self, *, now: datetime, limit: int) -> Sequence[HostEntry]:
        now_ms = to_ms(now)
        return await self._link.read(
            lambda session: host_store.live(session, self._hosts, now=now_ms, limit=limit)
        )

    async def save_host_limit(self, pattern: str, encoded: bytes) -> None:
        await self._link.write(lambda session: host_store.save_limit(session, self._hosts, pattern, encoded))

    async def remove_host_limit(self, pattern: str) -> bool:
        return await self._link.write(lambda session: host_store.remove_limit(session, self._hosts, pattern))

    async def host_limits(self) -> Mapping[str, bytes]:
        return await self._link.read(lambda session: host_store.limits(session, self._hosts))

    async def prune(self, *, now: datetime, limit: int) -> int:
        now_ms = to_ms(now)
        due_to_fold = abs(now_ms - self._folded_ms) >= _FOLD_EVERY_MS
        if due_to_fold:
            self._folded_ms = now_ms
            await self._link.write(lambda session: removals.fold(session, self._sql))
            await self._link.write(
                lambda session: host_store.prune(session, self._hosts, now=now_ms, limit=limit)
            )
        return await self._link.write(
            lambda session: removals.prune(session, self._sql, now=now_ms, limit=limit)
        )

    async def save_schedule(
        self, schedule: StoredSchedule, *, expected: str | None, tasks: Sequence[NewTask] = ()
    ) -> bool:
        return await self._link.write(
            lambda session: schedules.save(
                session, self._schedules, self._sql, schedule, expected=expected, tasks=tasks
            )
        )

    async def schedule(self, name: str) -> StoredSchedule | None:
        asked = values.text(name)
        return await self._link.read(lambda session: schedules.get(session, self._schedules, asked))

    async def list_schedules(self, *, limit: int, cursor: str | None) -> Page[StoredSchedule]:
        after = None if cursor is None else values.text(cursor)
        return await self._link.read(
            lambda session: schedules.page(session, self._schedules, limit=limit, cursor=after)
        )

    async def due_schedules(self, *, now: datetime, limit: int) -> Sequence[StoredSchedule]:
        now_ms = to_ms(now)
        return await self._link.read(
            lambda session: schedules.due(session, self._schedules, now=now_ms, limit=limit)
        )

    async def delete_schedule(self, name: str) -> bool:
        asked = values.text(name)
        return await self._link.write(lambda session: schedules.remove(session, self._schedules, asked))

    async def overdue(self, *, before: datetime, limit: int) -> Sequence[Overdue]:
        before_ms = to_ms(before)
        return await self._link.read(
            lambda session: inspection.overdue(session, self._inspection, before=before_ms, limit=limit)
        )

    async def time(self) -> datetime:
        row = await self._link.read(lambda session: session.first(self._inspection.clock))
        return from_ms(row[0] if row is not None else 0)

    async def inspect(self, *, cursor: str | None, limit: int) -> Inspection:
        return await self._link.read(
            lambda session: inspection.inspect(session, self._inspection, cursor=cursor, limit=limit)
        )

    async def repair(
        self, ids: Sequence[str], *, now: datetime, lease_until: datetime, keep: float
    ) -> Sequence[bool]:
        if not ids:
            return []
        now_ms, lease = to_ms(now), to_ms(lease_until)
        expires = now_ms + values.retention_ms(keep)
        return await self._link.write(
            lambda session: inspection.repair(
                session, self._inspection, self._sql, ids, now=now_ms, lease=lease, expires=expires
            )
        )
