"""The records of tasks in rows, and the statements that list them."""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import FromClause, Select, literal, select, tuple_, union_all

from taskrunner.domain.clock import from_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.record import Attempt, Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskOrder
from taskrunner.stores.record import StoredRecord
from taskrunner.stores.sql.fields import TableFields
from taskrunner.stores.sql.session import Row
from taskrunner.stores.sql.statement import TEXT, IncomingRows, Statement, parameter, query
from taskrunner.stores.sql.tables import encoded_tasks, tasks

_RECORD = TableFields(StoredRecord, tasks, encoded_tasks)
RECORD_COLUMNS = (*_RECORD.columns, tasks.c.attempts, tasks.c.started_ms, tasks.c.consumer, tasks.c.id)
_PLACE = tasks.c.created_at_ms, tasks.c.id


def record(row: Row) -> Record:
    """The record in a row of `RECORD_COLUMNS`."""
    attempts, started_ms, consumer, _ = row[len(_RECORD.names) :]
    stored = _RECORD.value(row)
    lines = attempts.encode().splitlines()
    if stored.status is Status.RUNNING:
        lines.append(
            encode(Attempt(number=stored.attempt, started_at=from_ms(started_ms), consumer=consumer))
        )
    return stored.decode(lines)


def _page(status: Any, order: TaskOrder, *, own: bool) -> "Select[Any]":
    """The places of a part of the index by status and creation: that of all tasks, or of a namespace.

    Nothing else: after a burst of tasks, until it has new statistics, PostgreSQL sorts all that the index
    names.
    """
    found = select(*_PLACE)
    if own:
        found = found.where(of_namespace())
    place, here = tuple_(*_PLACE), tuple_(parameter("ms"), parameter("begin", TEXT))
    if order is TaskOrder.NEWEST:
        within = (tasks.c.created_at_ms >= parameter("last"), place < here)
    else:
        within = (tasks.c.created_at_ms <= parameter("last"), place > here)
    found = found.where(tasks.c.status == status, *within)
    return found.order_by(*_ordered(order)).limit(parameter("limit"))


def _ordered(order: TaskOrder, place: Iterable[Any] = _PLACE) -> list[Any]:
    return [each.desc() if order is TaskOrder.NEWEST else each for each in place]


def _list_of(order: TaskOrder, *, of_status: bool, own: bool) -> Statement:
    def listed(_: IncomingRows) -> "Select[Any]":
        if of_status:
            return _records_of(_page(parameter("status", TEXT), order, own=own).subquery("page"))
        return _records_of(_merged(order, own=own))

    return query(listed)


def _records_of(page: FromClause) -> "Select[Any]":
    found = select(*RECORD_COLUMNS, tasks.c.created_at_ms).join(page, page.c.id == tasks.c.id)
    return found.join(encoded_tasks, encoded_tasks.c.id == tasks.c.id)


def of_namespace() -> Any:
    """The condition that keeps to the indices of the parameter `namespace`."""
    return tasks.c.namespace == parameter("namespace", TEXT)


def _merged(order: TaskOrder, *, own: bool) -> FromClause:
    """One page of those of all statuses: an index for this list alone would cost each change of a status.

    Only what is in this page is joined with its task.
    """
    names = [literal(status.value, literal_execute=True) for status in Status]
    pages = [_page(name, order, own=own).subquery() for name in names]
    places = union_all(*(select(page.c.created_at_ms, page.c.id) for page in pages)).subquery("places")
    page = select(places.c.id).order_by(*_ordered(order, places.c)).limit(parameter("limit"))
    return page.subquery("latest")


# By whether there is one status, whether there is a namespace, and the order.
TASK_LISTS = {
    (of_status, own, order): _list_of(order, of_status=of_status, own=own)
    for of_status in (True, False)
    for own in (True, False)
    for order in TaskOrder
}
