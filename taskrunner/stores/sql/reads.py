"""What only reads: records, lists and counts."""

from collections.abc import Sequence

from taskrunner.domain.record import DeadLetter, Record, dead_task
from taskrunner.domain.status import Status
from taskrunner.stores.base import Page
from taskrunner.stores.sql import values
from taskrunner.stores.sql.session import Row, Session, parts
from taskrunner.stores.sql.statements import Statements

_LATEST = 2**62
# Sorts behind every id, in UTF-8 as in code points.
_LAST = "\U0010ffff"


def get(session: Session, sql: Statements, task_id: str) -> Record | None:
    rows = session.fetch(sql.record, id=task_id)
    return values.record(rows[0]) if rows else None


def existing(session: Session, sql: Statements, ids: Sequence[str]) -> int:
    """How many of these there are."""
    return sum(len(session.fetch(sql.existing, [{"id": task_id} for task_id in part])) for part in parts(ids))


def body(session: Session, sql: Statements, task_id: str) -> bytes | None:
    row = session.first(sql.body, id=task_id)
    if row is None:
        return None
    content, has_result = row
    if content is None:
        return b"" if has_result else None
    return bytes(content)


def list_tasks(
    session: Session, sql: Statements, status: Status | None, *, limit: int, cursor: str | None
) -> Page[Record]:
    # One more than the page shows whether there is another one.
    most = limit + 1
    if status is None:
        rows = (
            session.fetch(sql.newest, limit=most)
            if cursor is None
            else session.fetch(sql.newer, limit=most, before=cursor)
        )
    elif cursor is None:
        rows = session.fetch(sql.newest_of, limit=most, status=status.value)
    else:
        rows = session.fetch(sql.newer_of, limit=most, status=status.value, before=cursor)
    rows = sorted(rows, key=lambda row: str(row[0]), reverse=True)
    items = [values.record(row) for row in rows[:limit]]
    return Page(items=items, cursor=rows[limit - 1][0] if len(rows) > limit else None)


def counts(session: Session, sql: Statements) -> dict[Status, int]:
    found = session.mapping(sql.counts)
    return {status: max(0, found.get(status.value, 0)) for status in Status}


def dead_letter(session: Session, sql: Statements, letter_id: str) -> DeadLetter | None:
    """A message before a task."""
    row = session.first(sql.letter, id=letter_id)
    if row is not None:
        raw = row[-1]
        return values.message(row, None if raw is None else bytes(raw))
    record = get(session, sql, letter_id)
    return dead_task(record) if record is not None and record.status is Status.FAILED else None


def list_dead_letters(
    session: Session, sql: Statements, *, limit: int, cursor: str | None
) -> Page[DeadLetter]:
    """The cursor is when the last letter of the page died, a colon, and `t:` or `m:` before its id.

    Raises `ValueError` for anything else.
    """
    died, kind, last = _place(cursor)
    most = limit + 1
    # Among those that died in the same millisecond, tasks come before messages.
    tasks = session.fetch(sql.dead_tasks, died=died, before=last if kind == "t" else "", limit=most)
    messages = session.fetch(sql.dead_messages, died=died, before=last if kind == "m" else _LAST, limit=most)
    found: list[tuple[int, str, str, Row]] = [(row[5], "t", row[0], row) for row in tasks]
    found += [(row[1], "m", row[0], row) for row in messages]
    found.sort(key=lambda entry: entry[:3], reverse=True)
    page = found[:limit]
    following = None
    if len(found) > limit:
        last_died, last_kind, last_id, _ = page[-1]
        following = f"{last_died}:{last_kind}:{last_id}"
    return Page(items=_letters(page), cursor=following)


def _letters(page: Sequence[tuple[int, str, str, Row]]) -> list[DeadLetter]:
    return [dead_task(values.record(row)) if kind == "t" else values.message(row) for _, kind, _, row in page]


def _place(cursor: str | None) -> tuple[int, str, str]:
    if cursor is None:
        return _LATEST, "t", _LAST
    died, _, member = cursor.partition(":")
    kind, _, last = member.partition(":")
    if not (died.isdecimal() and len(died) < 19 and kind in {"t", "m"} and last):
        raise ValueError(f"no cursor of a list of dead letters: {cursor!r}")
    return int(died), kind, last
