"""Dedup on Redis."""

from datetime import datetime

from taskrunner.domain.clock import to_ms
from taskrunner.domain.codec import storable
from taskrunner.domain.new_task import NewTask
from taskrunner.stores.dedup_store import DedupStore, Replaced
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.intake_store import AcceptAnswer, Accepted
from taskrunner.stores.redis.fields import POSITIONS, Argument, new_tasks
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.values import AttemptRef


class RedisDedupStore(RedisPart, DedupStore):
    async def replace(
        self, new: NewTask, holder: AttemptRef, *, now: datetime, error: str, retention: float
    ) -> Replaced:
        tasks, place = [new], ""
        header: list[Argument] = [self.token(), to_ms(now), storable(error), retention_ms(retention)]
        header += [holder.id, holder.attempt]
        if holder.follow_up is not None:
            # In Lua, places count from 1; before the tasks stand the header and this place.
            place = str(len(header) + 2 + len(POSITIONS["NEW_TASK"]))
            tasks.append(holder.follow_up)
        answer, stored_id, cancelled = await self.run("replace", *header, place, *new_tasks(tasks))
        accepted = Accepted(id=stored_id.decode(), answer=AcceptAnswer(answer.decode()))
        return Replaced(accepted=accepted, cancelled=bool(cancelled))
