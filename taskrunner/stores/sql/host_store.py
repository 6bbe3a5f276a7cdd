"""Hosts in SQL: their statements, and what is done with them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Executable, Integer, Text, bindparam, delete, insert, select, update

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.stores.host_store import HostAnswer, HostEdit, HostEntry
from taskrunner.stores.sql import values
from taskrunner.stores.sql.session import Row, Session, answer, incoming, parts
from taskrunner.stores.sql.tables import host_limits, hosts


@cache
def host_statements(dialect: str) -> "HostStatements":
    """The statements of a dialect."""
    return HostStatements(dialect)


class HostStatements:
    """Every statement on hosts, in one dialect. Locked rows are taken in the order of their names."""

    def __init__(self, dialect: str) -> None:
        text, big = Text(), BigInteger()
        columns = (hosts.c.host, hosts.c.version, hosts.c.until_ms, hosts.c.state)
        chosen, limit = bindparam("chosen", type_=text), bindparam("limit", type_=Integer())
        now = bindparam("now", type_=big)
        v = incoming(dialect, {"host": text})
        named = select(*columns).join(v, hosts.c.host == v.c.host)
        self.named = answer(dialect, named)
        self.lock = answer(dialect, named.order_by(hosts.c.host).with_for_update(of=hosts))
        v = incoming(dialect, {"host": text, "version": text, "until": big, "state": text})
        written = (v.c.host, v.c.version, v.c.until, v.c.state)
        self.insert = insert(hosts).from_select([c.name for c in columns], select(*written))
        self.update = (
            update(hosts)
            .where(hosts.c.host == v.c.host)
            .values(version=v.c.version, until_ms=v.c.until, state=v.c.state)
        )
        live = select(*columns).where(hosts.c.until_ms > now).order_by(hosts.c.until_ms.desc())
        self.live = answer(dialect, live.limit(limit))
        self.lock_ended = answer(
            dialect,
            select(hosts.c.host)
            .where(hosts.c.until_ms <= now)
            .order_by(hosts.c.until_ms)
            .limit(limit)
            .with_for_update(skip_locked=True),
        )
        v = incoming(dialect, {"host": text})
        self.delete = delete(hosts).where(hosts.c.host.in_(select(v.c.host)))
        self.limits = answer(dialect, select(host_limits.c.pattern, host_limits.c.body))
        self.delete_limit = delete(host_limits).where(host_limits.c.pattern == chosen)
        self.insert_limit = insert(host_limits).values(pattern=chosen, body=bindparam("new_body", type_=text))


def write(session: Session, sql: HostStatements, edits: Sequence[HostEdit]) -> list[HostAnswer]:
    """A race with another process for a new host ends in a unique violation: to be tried again."""
    answers: list[HostAnswer] = []
    for part in parts(edits, lambda edit: len(edit.entry.encoded)):
        found = _by_name(session, sql.lock, [edit.entry.host for edit in part])
        inserted: list[dict[str, Any]] = []
        updated: list[dict[str, Any]] = []
        for edit in part:
            row = found.get(values.text(edit.entry.host))
            stands = None if row is None else row[1]
            if stands not in {edit.expected, edit.entry.version}:
                answers.append(HostAnswer(written=False, current=None if row is None else _entry(row)))
                continue
            (inserted if row is None else updated).append(_row(edit.entry))
            answers.append(HostAnswer(written=True))
        if inserted:
            session.run(sql.insert, inserted)
        if updated:
            session.run(sql.update, updated)
    return answers


def get(session: Session, sql: HostStatements, names: Sequence[str]) -> list[HostEntry | None]:
    found: dict[str, Row] = {}
    for part in parts(names):
        found |= _by_name(session, sql.named, part)
    rows = (found.get(values.text(name)) for name in names)
    return [None if row is None else _entry(row) for row in rows]


def live(session: Session, sql: HostStatements, *, now: int, limit: int) -> list[HostEntry]:
    rows = sorted(session.fetch(sql.live, now=now, limit=limit), key=lambda row: (-row[2], row[0]))
    return [_entry(row) for row in rows]


def prune(session: Session, sql: HostStatements, *, now: int, limit: int) -> None:
    """Remove states that mean nothing any more."""
    rows = session.fetch(sql.lock_ended, now=now, limit=limit)
    if rows:
        session.run(sql.delete, [{"host": row[0]} for row in rows])


def save_limit(session: Session, sql: HostStatements, pattern: str, encoded: bytes) -> None:
    session.run(sql.delete_limit, chosen=values.text(pattern))
    session.run(sql.insert_limit, chosen=values.text(pattern), new_body=encoded.decode())


def remove_limit(session: Session, sql: HostStatements, pattern: str) -> bool:
    return session.run(sql.delete_limit, chosen=values.text(pattern)) > 0


def limits(session: Session, sql: HostStatements) -> dict[str, bytes]:
    return {pattern: body.encode() for pattern, body in session.mapping(sql.limits).items()}


def _by_name(session: Session, query: Executable, names: Sequence[str]) -> dict[str, Row]:
    rows = [{"host": name} for name in dict.fromkeys(map(values.text, names))]
    return {row[0]: row for row in session.fetch(query, rows)}


def _row(entry: HostEntry) -> dict[str, Any]:
    return {
        "host": values.text(entry.host),
        "version": entry.version,
        "until": to_ms(entry.until),
        "state": entry.encoded.decode(),
    }


def _entry(row: Row) -> HostEntry:
    host, version, until, state = row
    return HostEntry(host=host, version=version, encoded=state.encode(), until=from_ms(until))
