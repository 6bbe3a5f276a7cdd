"""The limits of API keys on SQL: a row per key."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Executable, LargeBinary, Select, cast, func, insert, select, update

from taskrunner.domain.tasks.status import LIVE
from taskrunner.domain.tasks.submitter import MARK
from taskrunner.stores.rate_store import Measured, RateAnswer, RateAsk, RateStore
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import bodies, encoded_tasks, key_rates, tasks
from taskrunner.stores.sql.task_lists import of_namespace

_US = 1_000_000
# Rounding errors must not cost a microsecond.
_SLACK = 1e-3
# The ids of a namespace sort before what begins with the character behind its mark.
_BEHIND_MARK = chr(ord(MARK) + 1)


class SqlRateStore(SqlPart, RateStore):
    async def count_live(self, most: Mapping[str, int]) -> Mapping[str, int]:
        """A statement for each: of several at once, PostgreSQL would look at the tasks of all keys."""

        def count(session: Session) -> dict[str, int]:
            return {
                namespace: session.fetch(_live, namespace=namespace, most=limit)[0][0]
                for namespace, limit in most.items()
            }

        return await self._connection.read(count) if most else {}

    async def measure(self, namespace: str, *, cursor: str | None, limit: int) -> Measured:
        """The cursor is the last id."""
        after, end = cursor or namespace, namespace.removesuffix(MARK) + _BEHIND_MARK
        rows = await self._connection.read(
            lambda session: session.fetch(_sizes, after=after, end=end, limit=limit)
        )
        last = max((row[0] for row in rows), default=None)
        return Measured(size_bytes=sum(row[1] for row in rows), cursor=last if len(rows) == limit else None)

    async def take_requests(self, asks: Sequence[RateAsk], *, now: datetime) -> Sequence[RateAnswer]:
        """A race with another process for a new key ends in a unique violation, and is tried again."""
        now_us = round(now.timestamp() * _US)

        def take(session: Session, part: Sequence[RateAsk]) -> list[RateAnswer]:
            before = session.mapping(_lock, [{"name": ask.name} for ask in part])
            answers = [_taken(ask, (before.get(ask.name, 0) - now_us) / _US) for ask in part]
            inserted: list[dict[str, Any]] = []
            updated: list[dict[str, Any]] = []
            for ask, answer in zip(part, answers, strict=True):
                row = {"name": ask.name, "arrival_us": now_us + int(answer.ahead * _US + _SLACK)}
                if ask.name not in before:
                    inserted.append(row)
                elif row["arrival_us"] != before[ask.name]:
                    updated.append(row)
            if inserted:
                session.run(_insert, inserted)
            if updated:
                session.run(_update, updated)
            return answers

        return await self._change(asks, take)


def _taken(ask: RateAsk, ahead: float) -> RateAnswer:
    """In seconds from now: those since 1970 have no room for microseconds in a float."""
    limiter = ask.limiter
    ahead = limiter.sanitized_arrival(ahead, 0.0)
    granted = min(ask.wanted, limiter.available(ahead, 0.0))
    return RateAnswer(granted=granted, ahead=limiter.arrival_after(ahead, 0.0, granted))


@query
def _lock(rows: IncomingRows) -> "Select[Any]":
    v = rows(key_rates.c.name)
    found = select(key_rates.c.name, key_rates.c.arrival_us).join(v, key_rates.c.name == v.c.name)
    return found.order_by(key_rates.c.name).with_for_update(of=key_rates)


@query
def _live(_: IncomingRows) -> "Select[Any]":
    """By the index of the namespace and status alone."""
    live = select(tasks.c.status).where(of_namespace(), tasks.c.status.in_(sorted(LIVE)))
    return select(func.count().label("live")).select_from(live.limit(parameter("most")).subquery("counted"))


@query
def _sizes(rows: IncomingRows) -> "Select[Any]":
    """By the primary keys, since all ids of a namespace begin with it."""

    def octets(text: ColumnElement[str]) -> ColumnElement[int]:
        # PostgreSQL tells the size of a text without reading it.
        return func.length(cast(text, LargeBinary)) if rows.dialect == "sqlite" else func.octet_length(text)

    size = octets(encoded_tasks.c.encoded)
    size = size + func.coalesce(octets(tasks.c.result), 0) + func.coalesce(func.length(bodies.c.body), 0)
    joined = tasks.join(encoded_tasks, encoded_tasks.c.id == tasks.c.id).outerjoin(
        bodies, bodies.c.id == tasks.c.id
    )
    found = select(tasks.c.id, size.label("size_bytes")).select_from(joined)
    found = found.where(tasks.c.id > parameter("after", TEXT), tasks.c.id < parameter("end", TEXT))
    return found.order_by(tasks.c.id).limit(parameter("limit"))


@statement
def _insert(rows: IncomingRows) -> Executable:
    v = rows(key_rates.c.name, key_rates.c.arrival_us)
    return insert(key_rates).from_select(("name", "arrival_us"), select(*v.c))


@statement
def _update(rows: IncomingRows) -> Executable:
    v = rows(key_rates.c.name, key_rates.c.arrival_us)
    return update(key_rates).where(key_rates.c.name == v.c.name).values(arrival_us=v.c.arrival_us)
