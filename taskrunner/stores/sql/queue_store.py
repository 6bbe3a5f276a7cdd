"""Declared queues on SQL."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Executable, Select, delete, insert, select

from taskrunner.domain.codec import encode
from taskrunner.domain.declared_queues import StoredQueue
from taskrunner.domain.status import LIVE
from taskrunner.stores.queue_store import QueueStore, decode_queue
from taskrunner.stores.sql.named_values import NamedValues
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.statement import TEXT, IncomingRows, parameter, query, statement
from taskrunner.stores.sql.tables import queues, tasks

_KEPT = NamedValues(queues)


class SqlQueueStore(SqlPart, QueueStore):
    async def save_queue(self, queue: StoredQueue) -> None:
        """A race with another process for a name ends in a unique violation, and is tried again."""
        encoded = encode(queue).decode()

        def save(session: Session) -> None:
            session.run(_delete, chosen=queue.name)
            session.run(_insert, chosen=queue.name, encoded=encoded)

        await self._connection.write(save)

    async def queues(self) -> Sequence[StoredQueue]:
        return [decode_queue(each) for each in await _KEPT.all(self._connection)]

    async def delete_queue(self, name: str) -> bool:
        removed = await self._connection.write(lambda session: session.run(_delete, chosen=name))
        return removed > 0

    async def live_task_in(self, queue: str) -> str | None:
        rows = await self._connection.read(lambda session: session.fetch(_live_task, chosen=queue))
        return str(rows[0][0]) if rows else None


@statement
def _insert(_: IncomingRows) -> Executable:
    return insert(queues).values(name=parameter("chosen", TEXT), encoded=parameter("encoded", TEXT))


@statement
def _delete(_: IncomingRows) -> Executable:
    return delete(queues).where(queues.c.name == parameter("chosen", TEXT))


@query
def _live_task(_: IncomingRows) -> "Select[Any]":
    """By the index of statuses: an index of queues would cost each change of a task."""
    live = select(tasks.c.id).where(tasks.c.status.in_(sorted(LIVE)))
    return live.where(tasks.c.queue == parameter("chosen", TEXT)).limit(1)
