"""Dead letters on SQL: messages have a table, failed tasks are found among the tasks."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, literal, select, tuple_

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind, dead_task
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.dead_letter_store import DeadLetterStore
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.sql.fields import LAST_ID, LATEST, TableFields, pack, text
from taskrunner.stores.sql.operator_store import read_record
from taskrunner.stores.sql.session import Session, ids
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import INT, TEXT, IncomingRows, packed_bytes, parameter, query, statement
from taskrunner.stores.sql.tables import dead_messages, encoded_tasks, tasks
from taskrunner.stores.sql.task_lists import RECORD_COLUMNS, of_namespace, record
from taskrunner.stores.values import Page, Place

_MESSAGE = TableFields(DeadLetter, dead_messages, without={"raw"})


class SqlDeadLetterStore(SqlPart, DeadLetterStore):
    async def add_dead_messages(self, letters: Sequence[DeadLetter], *, retention: float) -> None:
        def add(session: Session, part: Sequence[DeadLetter]) -> list[None]:
            last = {letter.id: letter for letter in part}
            rows = [_row(letter, retention) for letter in last.values()]
            session.run(_delete_messages, ids(sorted(last)))
            packed = pack(rows, [letter.raw for letter in last.values()])
            session.run(_insert_messages, packed["rows"], content=packed["content"])
            return []

        await self._change(letters, add, lambda letter: len(letter.raw or b""))

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        return await self._connection.read(lambda session: _find(session, text(letter_id)))

    async def list_dead_letters(
        self, *, limit: int, cursor: str | None, namespace: str = ""
    ) -> Page[DeadLetter]:
        place = Place(ms=LATEST, kind="t", id=LAST_ID)
        if cursor is not None:
            place = Place.of_cursor(text(cursor), namespace=namespace, letters=True)
        # Among those that died in the same millisecond, tasks come before messages.
        before_task = place.id if place.kind == "t" else ""
        before_message = place.id if place.kind == "m" else LAST_ID
        bounds = {"died": place.ms, "limit": limit + 1}

        def look(session: Session) -> list[DeadLetter]:
            if namespace:
                rows = session.fetch(own_failed_tasks, before=before_task, namespace=namespace, **bounds)
                return [dead_task(record(row)) for row in rows]
            rows = session.fetch(failed_tasks, before=before_task, **bounds)
            messages = session.fetch(_dead_messages, before=before_message, **bounds)
            return [dead_task(record(row)) for row in rows] + [_message(row) for row in messages]

        letters = await self._connection.read(look)
        letters.sort(key=_order, reverse=True)
        last = Place.of_dead_letter(letters[limit - 1]) if len(letters) > limit else None
        return Page(items=letters[:limit], cursor=None if last is None else last.cursor(namespace))

    async def remove_dead_message(self, letter_id: str) -> bool:
        rows = ids([text(letter_id)])
        return await self._connection.write(lambda session: session.run(_delete_messages, rows)) > 0


def prune_dead_messages(session: Session, now_ms: int, limit: int) -> int:
    """Remove messages that have outlived their retention; answers how many."""
    found = session.fetch(_lock_outlived, now=now_ms, limit=limit)
    if found:
        session.run(_delete_messages, ids(row[0] for row in found))
    return len(found)


def _row(letter: DeadLetter, retention: float) -> dict[str, Any]:
    if letter.kind is not DeadLetterKind.MESSAGE:
        raise ValueError(f"{letter.id} is a task: it becomes a dead letter when it fails")
    return _MESSAGE.row(letter, kept_until_ms=to_ms(letter.died_at) + retention_ms(retention))


def _message(row: Sequence[Any], raw: bytes | None = None) -> DeadLetter:
    return _MESSAGE.value(row, kind=DeadLetterKind.MESSAGE, raw=raw)


def _order(letter: DeadLetter) -> tuple[int, str, str]:
    place = Place.of_dead_letter(letter)
    return place.ms, place.kind, place.id


def _find(session: Session, letter_id: str) -> DeadLetter | None:
    """A message before a task."""
    row = session.first(_one_message, id=letter_id)
    if row is not None:
        return _message(row, None if row[-1] is None else bytes(row[-1]))
    found = read_record(session, letter_id)
    return dead_task(found) if found is not None and found.status is Status.FAILED else None


@statement
def _delete_messages(rows: IncomingRows) -> Executable:
    v = rows(dead_messages.c.id)
    return delete(dead_messages).where(dead_messages.c.id.in_(select(v.c.id)))


@statement
def _insert_messages(rows: IncomingRows) -> Executable:
    columns = [*_MESSAGE.columns, dead_messages.c.kept_until_ms]
    names = [column.name for column in columns]
    v = rows(*columns, start=INT, size=INT)
    written = select(*(v.c[name] for name in names), packed_bytes(v))
    return insert(dead_messages).from_select([*names, "raw"], written)


@statement
def _one_message(_: IncomingRows) -> Executable:
    found = select(*_MESSAGE.columns, dead_messages.c.raw)
    return found.where(dead_messages.c.id == parameter("id", TEXT))


def _before() -> Any:
    return tuple_(parameter("died"), parameter("before", TEXT))


@query
def _dead_messages(_: IncomingRows) -> "Select[Any]":
    died, letter_id = dead_messages.c.died_at_ms, dead_messages.c.id
    page = select(*_MESSAGE.columns).where(tuple_(died, letter_id) < _before())
    return page.order_by(died.desc(), letter_id.desc()).limit(parameter("limit"))


@query
def failed_tasks(_: IncomingRows) -> "Select[Any]":
    return _failed_tasks()


@query
def own_failed_tasks(_: IncomingRows) -> "Select[Any]":
    return _failed_tasks().where(of_namespace())


def _failed_tasks() -> "Select[Any]":
    return (
        select(*RECORD_COLUMNS)
        .join(encoded_tasks, encoded_tasks.c.id == tasks.c.id)
        .where(tasks.c.status == literal(Status.FAILED.value, literal_execute=True))
        .where(tuple_(tasks.c.updated_ms, tasks.c.id) < _before())
        .order_by(tasks.c.updated_ms.desc(), tasks.c.id.desc())
        .limit(parameter("limit"))
    )


@query
def _lock_outlived(_: IncomingRows) -> "Select[Any]":
    return (
        select(dead_messages.c.id)
        .where(dead_messages.c.kept_until_ms <= parameter("now"))
        .order_by(dead_messages.c.kept_until_ms)
        .limit(parameter("limit"))
        .with_for_update(skip_locked=True)
    )
