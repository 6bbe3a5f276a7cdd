"""Dedup on Redis."""

from datetime import datetime

from taskrunner.domain.clock import to_ms
from taskrunner.domain.codec import storable
from taskrunner.domain.tasks.new_task import NewTask
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
        header: list[Argument] = [self.token(), to_ms(now), storable(error), retention_ms(retention)]
        header += [holder.id, holder.attempt]
        # In Lua, places count from 1; before the tasks stand the header and these places.
        size = len(POSITIONS["NEW_TASK"])
        first = len(header) + 2 + size
        places = " ".join(str(first + size * number) for number in range(len(holder.follow_ups)))
        tasks = new_tasks([new, *holder.follow_ups])
        answer, stored_id, cancelled = await self.run("replace", *header, places, *tasks)
        accepted = Accepted(id=stored_id.decode(), answer=AcceptAnswer(answer.decode()))
        return Replaced(accepted=accepted, cancelled=bool(cancelled))
