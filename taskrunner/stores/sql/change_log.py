"""The log of changes: each transaction adds its changes of status while there is a row in `change_log`.

The order of the log is that in which readers may see it. SQLite has one writer, so `minor` is that order;
`major` is the same for the whole log, and larger in a later log. PostgreSQL commits in another order than it
numbers rows, so `major` is the number of the transaction, and readers stop before the oldest open one:
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SNAPSHOT
"""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Executable,
    Select,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    tuple_,
    update,
)

from taskrunner.domain.tasks.change import ChangeId, ChangeLog
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.statement import BIG, INT, TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import change_log, changes

# Of SQLite, in place of the number of a transaction: larger than any.
NO_TRANSACTION = 2**63 - 1
_NAME = "changes"
_ORDER = changes.c.major, changes.c.minor
_START = change_log.c.start_major, change_log.c.start_minor


def write_changes(session: Session) -> None:
    """Log what this transaction changed, if there is a log."""
    rows = [
        {"id": task_id, "status": status, "place": place}
        for place, (task_id, status) in enumerate(session.changes)
    ]
    session.run(_insert_changes, rows)


def keep_log(session: Session, now_ms: int, until_ms: int, secret: str) -> None:
    """Begin the log, unless there is one, and keep it until then."""
    session.run(_begin, log=_NAME, now=now_ms, until=until_ms, secret=secret)
    session.run(_prolong, until=until_ms)


def read_end(session: Session) -> tuple[ChangeLog, int] | None:
    """Where the log ends for now, and the `major` by which all will have ended that has begun to write.

    None if there is no log.
    """
    rows = session.fetch(_bounds)
    if not rows:
        return None
    start_major, start_minor, last, oldest, following, secret = rows[0]
    end = _end(ChangeId(start_major, start_minor), last, oldest)
    return ChangeLog(end=end, secret=bytes.fromhex(secret)), following


def read_changes(
    session: Session, after: ChangeId, limit: int
) -> list[tuple[int, int, str, str | None, int]] | None:
    """The next changes; None if the log does not reach back to there."""
    found = session.fetch(_next, major=after.major, minor=after.minor, limit=limit)
    # Only now: what is removed between the two statements must not be missed.
    bounds = session.fetch(_bounds)
    if not bounds:
        return None
    start_major, start_minor, last, oldest, *_ = bounds[0]
    start = ChangeId(start_major, start_minor)
    if not start <= after <= _end(start, last, oldest):
        return None
    return sorted((major, minor, *change) for major, minor, *change in found)


def prune_log(session: Session, now_ms: int, most: int) -> None:
    """See `ChangeStore.prune_changes`."""
    session.run(_end_log, now=now_ms)
    session.run(_drop_without_log)
    beyond = session.first(_beyond, most=most)
    if beyond is not None:
        session.run(_move_start, major=beyond[0], minor=beyond[1])
        session.run(_drop, major=beyond[0], minor=beyond[1])


def is_logged() -> ColumnElement[bool]:
    """Whether there is a log, for another statement."""
    return select(change_log.c.name).exists()


def _end(start: ChangeId, last: int, oldest: int) -> ChangeId:
    """Not before the start: a transaction of others may be open since before it."""
    return ChangeId(start.major, last) if oldest == NO_TRANSACTION else max(start, ChangeId(oldest, 0))


def _number(function: str) -> str:
    # PostgreSQL has no cast from xid8 to bigint.
    return f"CAST(CAST({function} AS TEXT) AS BIGINT)"


def _own_major(rows: IncomingRows) -> Any:
    """The `major` of what this transaction adds."""
    if rows.dialect == "sqlite":
        return change_log.c.start_major
    return literal_column(_number("pg_current_xact_id()"), BIG)


def _present_ms(rows: IncomingRows) -> Any:
    """The time, by the clock of the store."""
    if rows.dialect == "sqlite":
        return literal_column("CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)", BIG)
    # A cast alone rounds: the time could be in the future.
    return literal_column("CAST(floor(EXTRACT(EPOCH FROM clock_timestamp()) * 1000) AS BIGINT)", BIG)


def _oldest_open(rows: IncomingRows) -> Any:
    """The number of the oldest open transaction: those with a smaller one have ended."""
    if rows.dialect == "sqlite":
        return literal(NO_TRANSACTION, BIG)
    return literal_column(_number("pg_snapshot_xmin(pg_current_snapshot())"), BIG)


def _not_begun(rows: IncomingRows) -> Any:
    """Transactions with a number as large as this have not begun to write."""
    if rows.dialect == "sqlite":
        return literal(0, BIG)
    return literal_column(_number("pg_snapshot_xmax(pg_current_snapshot())"), BIG)


@statement
def _insert_changes(rows: IncomingRows) -> Executable:
    v = rows(changes.c.id, changes.c.status, place=INT)
    found = select(_own_major(rows), v.c.id, v.c.status, _present_ms(rows)).select_from(
        v.join(change_log, literal(1) == literal(1))
    )
    return insert(changes).from_select(["major", "id", "status", "at_ms"], found.order_by(v.c.place))


@statement
def _begin(rows: IncomingRows) -> Executable:
    major = (
        parameter("now") if rows.dialect == "sqlite" else literal_column(_number("pg_current_xact_id()"), BIG)
    )
    row = select(
        parameter("log", TEXT), major, literal(0, BIG), parameter("until"), parameter("secret", TEXT)
    ).where(~is_logged())
    return insert(change_log).from_select([column.name for column in change_log.c], row)


@statement
def _prolong(_: IncomingRows) -> Executable:
    until = parameter("until")
    return update(change_log).where(change_log.c.until_ms < until).values(until_ms=until)


@query
def _next(rows: IncomingRows) -> "Select[Any]":
    found = select(*_ORDER, changes.c.id, changes.c.status, changes.c.at_ms)
    found = found.where(tuple_(*_ORDER) > tuple_(parameter("major"), parameter("minor")))
    return found.where(changes.c.major < _oldest_open(rows)).order_by(*_ORDER).limit(parameter("limit"))


@query
def _bounds(rows: IncomingRows) -> "Select[Any]":
    last = select(func.coalesce(func.max(changes.c.minor), literal(0, BIG))).scalar_subquery()
    return select(
        *_START,
        last.label("last"),
        _oldest_open(rows).label("oldest"),
        _not_begun(rows).label("following"),
        change_log.c.secret,
    )


@statement
def _end_log(_: IncomingRows) -> Executable:
    return delete(change_log).where(change_log.c.until_ms < parameter("now"))


@statement
def _drop_without_log(_: IncomingRows) -> Executable:
    return delete(changes).where(~is_logged())


@statement
def _beyond(_: IncomingRows) -> Executable:
    """The last of those that are too many."""
    newest = select(*_ORDER).order_by(*(each.desc() for each in _ORDER))
    return newest.limit(literal(1)).offset(parameter("most"))


@statement
def _move_start(_: IncomingRows) -> Executable:
    major, minor = parameter("major"), parameter("minor")
    later = tuple_(*_START) < tuple_(major, minor)
    return update(change_log).where(later).values(start_major=major, start_minor=minor)


@statement
def _drop(_: IncomingRows) -> Executable:
    return delete(changes).where(tuple_(*_ORDER) <= tuple_(parameter("major"), parameter("minor")))
