"""The ledger of counts: each transaction adds by how much it changed the number of tasks of each status.

`count(*)` takes 100 ms with a million tasks, and with one row per status every transaction would wait.
"""

from collections import Counter
from typing import Any

from sqlalchemy import BigInteger, Executable, Select, cast, delete, func, insert, select

from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.sql.change_log import is_logged, write_changes
from taskrunner.stores.sql.session import Rows, Session
from taskrunner.stores.sql.statement import IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import counts

# A shorter ledger is summed up fast enough by whoever asks for the counts.
FOLD_FROM = 200
FOLD_LIMIT = 10_000


def write_counts(session: Session) -> None:
    """Add what this transaction changed; also to the log of changes, if there is one."""
    lines = [{"status": status, "delta": delta} for status, delta in session.moves.items() if delta]
    may_be_logged = _add(session, lines) if lines else True
    if session.changes and may_be_logged:
        write_changes(session)


def probe(session: Session) -> None:
    """A write that changes nothing: a line of 0."""
    _add(session, [{"status": Status.QUEUED, "delta": 0}])


def read_counts(session: Session) -> dict[Status, int]:
    found = session.mapping(_sums)
    return {status: max(0, found.get(status.value, 0)) for status in Status}


def fold_counts(session: Session) -> None:
    """Replace the lines of the ledger by their sums; lines that another process folds are left to it."""
    lines = session.fetch(_lock_lines, limit=FOLD_LIMIT)
    if len(lines) < FOLD_FROM:
        return
    sums: Counter[str] = Counter()
    for _, status, delta in lines:
        sums[status] += delta
    session.run(_delete_lines, [{"seq": line[0]} for line in lines])
    session.moves.update(sums)


def _add(session: Session, lines: Rows) -> bool:
    """Answers whether there is a log of changes: another statement would cost another round trip."""
    row = session.first(_insert_lines, rows=encode(lines).decode())
    return row is not None and bool(row[0])


@statement
def _insert_lines(rows: IncomingRows) -> Executable:
    v = rows(counts.c.status, counts.c.delta)
    added = insert(counts).from_select(["status", "delta"], select(v.c.status, v.c.delta))
    return added.returning(is_logged())


@query
def _sums(_: IncomingRows) -> "Select[Any]":
    # PostgreSQL sums bigint to numeric, which the driver would give as a Decimal.
    total = cast(func.sum(counts.c.delta), BigInteger).label("total")
    return select(counts.c.status, total).group_by(counts.c.status)


@query
def _lock_lines(_: IncomingRows) -> "Select[Any]":
    lines = select(counts.c.seq, counts.c.status, counts.c.delta).order_by(counts.c.seq)
    return lines.limit(parameter("limit")).with_for_update(skip_locked=True)


@statement
def _delete_lines(rows: IncomingRows) -> Executable:
    v = rows(counts.c.seq)
    return delete(counts).where(counts.c.seq.in_(select(v.c.seq)))
