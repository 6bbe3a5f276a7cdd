"""Intake on Redis."""

from collections.abc import Sequence
from typing import Any

from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.stores.intake_store import AcceptAnswer, Accepted, IntakeStore
from taskrunner.stores.redis.fields import new_tasks
from taskrunner.stores.redis.redis_connection import RedisPart, parts
from taskrunner.stores.redis.replicas import Replicas

_ANSWERS = {answer.encode(): answer for answer in AcceptAnswer}


class RedisIntakeStore(RedisPart, IntakeStore):
    _replicas: Replicas

    async def accept(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        found = await self.run_batch(
            "accept",
            tasks,
            lambda part: [self.token(), "each", *new_tasks(part)],
            lambda task: len(task.encoded),
        )
        return _accepted(tasks, found)

    async def accept_all(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        return _accepted(tasks, await self.run("accept", self.token(), "all", *new_tasks(tasks)))

    async def foresee(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        return _accepted(tasks, await self.run("accept", self.token(), "none", *new_tasks(tasks)))

    async def check_replicas(self) -> None:
        await self._replicas.check()

    async def replicate(self, ids: Sequence[str]) -> None:
        for part in list(parts(ids)) or [[]]:
            await self._replicas.wait([f"{self._prefix}task:{task_id}" for task_id in part])


def _accepted(tasks: Sequence[NewTask], found: Sequence[Any]) -> list[Accepted]:
    """The answers of `accept.lua`."""
    return [
        Accepted(id=stored_id.decode() if stored_id else task.id, answer=_ANSWERS[answer])
        for task, answer, stored_id in zip(tasks, found[::2], found[1::2], strict=True)
    ]
