"""The log of changes on Redis: a stream, which scripts append to while it is there."""

import secrets
from datetime import datetime

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.change import ChangeId, ChangeLog, Changes, StatusChange
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.change_store import SECRET_BYTES, ChangeStore
from taskrunner.stores.redis.redis_connection import RedisPart


class RedisChangeStore(RedisPart, ChangeStore):
    async def log_changes(self, *, now: datetime, until: datetime) -> ChangeLog:
        kept_ms = to_ms(until) - to_ms(now)
        last, secret = await self.run("log_changes", kept_ms, secrets.token_bytes(SECRET_BYTES))
        return ChangeLog(end=_id(last), secret=secret)

    async def changes(self, after: ChangeId, *, limit: int) -> Changes:
        first, last, found = await self.run("changes", f"{after.major}-{after.minor}", limit)
        if not first or not _id(first) <= after <= _id(last):
            return Changes(changes=(), lost=True)
        return Changes(
            changes=[
                StatusChange(
                    id=_id(place),
                    task_id=task_id.decode(),
                    status=Status(status.decode()) if status else None,
                )
                for place, (task_id, status) in found
            ]
        )

    async def prune_changes(self, *, now: datetime) -> None:
        """Redis does so by itself."""


def _id(found: bytes) -> ChangeId:
    major, _, minor = found.partition(b"-")
    return ChangeId(int(major), int(minor))
