"""Hosts on SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, select, tuple_, update

from taskrunner.domain.clock import to_ms
from taskrunner.stores.host_store import HostAnswer, HostEdit, HostEntry, HostStore
from taskrunner.stores.sql.fields import LATEST, TableFields, text
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, Statement, parameter, query, statement
from taskrunner.stores.sql.tables import host_limits, hosts
from taskrunner.stores.values import Place

_HOST = TableFields(HostEntry, hosts)
_PLACE = hosts.c.until_ms, hosts.c.host


class SqlHostStore(SqlPart, HostStore):
    async def write_hosts(self, edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        return await self._change(edits, _write, lambda edit: len(edit.entry.encoded))

    async def hosts(self, hosts: Sequence[str]) -> Sequence[HostEntry | None]:
        def look(session: Session, part: Sequence[str]) -> list[HostEntry | None]:
            found = _by_name(session, _named, part)
            return [found.get(text(name)) for name in part]

        return await self._look(hosts, look)

    async def live_hosts(
        self, *, now: datetime, limit: int, after: Place | None = None
    ) -> Sequence[HostEntry]:
        begin = {"ms": LATEST, "begin": ""} if after is None else {"ms": after.ms, "begin": text(after.id)}
        rows = await self._connection.read(
            lambda session: session.fetch(_live, now=to_ms(now), limit=limit, **begin)
        )
        found = [_HOST.value(row) for row in rows]
        return sorted(found, key=lambda entry: (to_ms(entry.until), entry.host), reverse=True)

    async def change_host_limit(self, pattern: str, encoded: bytes | None, *, expected: bytes | None) -> bool:
        """A race with another process for a new pattern ends in a unique violation, and is tried again."""
        fresh = None if encoded is None else encoded.decode()

        def change(session: Session) -> bool:
            row = session.first(_lock_limit, chosen=text(pattern))
            found = None if row is None else row[0]
            if found == fresh:
                return True
            if found != (None if expected is None else expected.decode()):
                return False
            session.run(_delete_limit, chosen=text(pattern))
            if fresh is not None:
                session.run(_insert_limit, chosen=text(pattern), limit=fresh)
            return True

        return await self._connection.write(change)

    async def host_limits(self) -> Mapping[str, bytes]:
        found = await self._connection.read(lambda session: session.mapping(_limits))
        return {pattern: encoded.encode() for pattern, encoded in found.items()}


def prune_hosts(session: Session, now_ms: int, limit: int) -> None:
    """Remove void states."""
    rows = session.fetch(_lock_void, now=now_ms, limit=limit)
    if rows:
        session.run(_delete_hosts, [{"host": row[0]} for row in rows])


def _write(session: Session, part: Sequence[HostEdit]) -> list[HostAnswer]:
    """A race with another process for a new host ends in a unique violation, and is tried again."""
    found = _by_name(session, _lock, [edit.entry.host for edit in part])
    answers: list[HostAnswer] = []
    inserted: list[dict[str, Any]] = []
    updated: list[dict[str, Any]] = []
    for edit in part:
        current = found.get(text(edit.entry.host))
        version = None if current is None else current.version
        written = version in {edit.expected, edit.entry.version}
        answers.append(HostAnswer(written=written, current=None if written else current))
        if written:
            (inserted if current is None else updated).append(_HOST.row(edit.entry))
    if inserted:
        session.run(_insert, inserted)
    if updated:
        session.run(_update, updated)
    return answers


def _by_name(session: Session, statement: Statement, names: Sequence[str]) -> dict[str, HostEntry]:
    rows = [{"host": name} for name in dict.fromkeys(map(text, names))]
    found = [_HOST.value(row) for row in session.fetch(statement, rows)]
    return {entry.host: entry for entry in found}


def _select_named(rows: IncomingRows) -> "Select[Any]":
    v = rows(hosts.c.host)
    return select(*_HOST.columns).join(v, hosts.c.host == v.c.host)


_named = query(_select_named)
_lock = query(lambda rows: _select_named(rows).order_by(hosts.c.host).with_for_update(of=hosts))


@statement
def _insert(rows: IncomingRows) -> Executable:
    v = rows(*_HOST.columns)
    return insert(hosts).from_select(_HOST.names, select(*v.c))


@statement
def _update(rows: IncomingRows) -> Executable:
    v = rows(*_HOST.columns)
    written = {name: v.c[name] for name in _HOST.names if name != "host"}
    return update(hosts).where(hosts.c.host == v.c.host).values(written)


@query
def _live(_: IncomingRows) -> "Select[Any]":
    live = select(*_HOST.columns).where(hosts.c.until_ms > parameter("now"))
    live = live.where(tuple_(*_PLACE) < tuple_(parameter("ms"), parameter("begin", TEXT)))
    return live.order_by(*(each.desc() for each in _PLACE)).limit(parameter("limit"))


@query
def _lock_void(_: IncomingRows) -> "Select[Any]":
    void = select(hosts.c.host).where(hosts.c.until_ms <= parameter("now")).order_by(hosts.c.until_ms)
    return void.limit(parameter("limit")).with_for_update(skip_locked=True)


@statement
def _delete_hosts(rows: IncomingRows) -> Executable:
    v = rows(hosts.c.host)
    return delete(hosts).where(hosts.c.host.in_(select(v.c.host)))


@query
def _limits(_: IncomingRows) -> "Select[Any]":
    return select(host_limits.c.pattern, host_limits.c.encoded)


@statement
def _lock_limit(_: IncomingRows) -> Executable:
    chosen = host_limits.c.pattern == parameter("chosen", TEXT)
    return select(host_limits.c.encoded).where(chosen).with_for_update()


@statement
def _delete_limit(_: IncomingRows) -> Executable:
    return delete(host_limits).where(host_limits.c.pattern == parameter("chosen", TEXT))


@statement
def _insert_limit(_: IncomingRows) -> Executable:
    return insert(host_limits).values(pattern=parameter("chosen", TEXT), encoded=parameter("limit", TEXT))
