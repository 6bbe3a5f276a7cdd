"""The log of changes on Redis: a stream, which scripts append to while it is there."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.tasks.change import ChangeCursor, ChangeId, ChangeLog, Changes, StatusChange
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.change_store import SECRET_BYTES, ChangeStore, decode_cursor
from taskrunner.stores.redis.named_values import RedisNamedValues

_CURSORS = "change-cursors"


class RedisChangeStore(RedisNamedValues, ChangeStore):
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
                    # The id of an entry begins with the time: https://redis.io/docs/latest/commands/xadd/
                    at=from_ms(_id(place).major),
                )
                for place, (task_id, status) in found
            ]
        )

    async def prune_changes(self, *, now: datetime) -> None:
        """Redis does so by itself."""

    async def change_cursors(self) -> Sequence[ChangeCursor]:
        return await self._all_named(_CURSORS, decode_cursor)

    async def save_change_cursor(self, cursor: ChangeCursor, *, expected: ChangeCursor | None) -> bool:
        return await self._save_named(_CURSORS, cursor, expected)

    async def delete_change_cursor(self, expected: ChangeCursor) -> bool:
        return await self._delete_named(_CURSORS, expected)


def _id(found: bytes) -> ChangeId:
    major, _, minor = found.partition(b"-")
    return ChangeId(int(major), int(minor))
