"""Dedup on SQL."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.status import CLAIMABLE, Status
from taskrunner.stores.dedup_store import DedupStore, Replaced
from taskrunner.stores.intake_store import AcceptAnswer, Accepted
from taskrunner.stores.sql.consumer_store import end_waiting, ending
from taskrunner.stores.sql.dedup_keys import forget
from taskrunner.stores.sql.intake_store import judge, write
from taskrunner.stores.sql.locked_task import lock
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.values import AttemptRef


class SqlDedupStore(SqlPart, DedupStore):
    async def replace(
        self, new: NewTask, holder: AttemptRef, *, now: datetime, error: str, retention: float
    ) -> Replaced:
        end = ending(Status.CANCELLED, Status.CANCELLED, error, now, retention)
        return await self._connection.write(lambda session: _replace(session, new, holder, end))


def _replace(session: Session, new: NewTask, holder: AttemptRef, end: Mapping[str, Any]) -> Replaced:
    (accepted,) = judge(session, [new])
    if accepted.answer is not AcceptAnswer.HELD:
        write(session, [new], [accepted])
        return Replaced(accepted=accepted)
    task = lock(session, [holder]).get(holder.id)
    waits = task is not None and task.status in CLAIMABLE
    if accepted.id != holder.id or (waits and task is not None and not task.waits_for(holder.attempt)):
        return Replaced(accepted=accepted)
    if waits:
        end_waiting(session, [holder], dict(end))
    if new.dedup_key is not None:
        forget(session, new.dedup_key)
    created = Accepted(id=new.id, answer=AcceptAnswer.CREATED)
    write(session, [new], [created])
    return Replaced(accepted=created, cancelled=waits)
