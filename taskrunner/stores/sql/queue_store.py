"""Declared queues on SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select

from taskrunner.domain.queues.declared_queues import StoredQueue
from taskrunner.domain.tasks.status import LIVE
from taskrunner.stores.queue_store import QueueStore, decode_queue
from taskrunner.stores.sql.named_values import NamedValues
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query
from taskrunner.stores.sql.tables import queues, tasks

_KEPT = NamedValues(queues)


class SqlQueueStore(SqlPart, QueueStore):
    async def save_queue(self, queue: StoredQueue, *, expected: StoredQueue | None) -> bool:
        return await _KEPT.save(self._connection, queue, expected)

    async def queues(self) -> Sequence[StoredQueue]:
        return await _KEPT.all(self._connection, decode_queue)

    async def delete_queue(self, expected: StoredQueue) -> bool:
        return await _KEPT.delete(self._connection, expected)

    async def live_task_in(self, queue: str) -> str | None:
        rows = await self._connection.read(lambda session: session.fetch(_live_task, chosen=queue))
        return str(rows[0][0]) if rows else None


@query
def _live_task(_: IncomingRows) -> "Select[Any]":
    """By the index of statuses: an index of queues would cost each change of a task."""
    live = select(tasks.c.id).where(tasks.c.status.in_(sorted(LIVE)))
    return live.where(tasks.c.queue == parameter("chosen", TEXT)).limit(1)
