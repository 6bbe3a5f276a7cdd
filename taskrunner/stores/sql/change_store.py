"""The log of changes on SQL; see `change_log`."""

import asyncio
import secrets
from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.tasks.change import ChangeCursor, ChangeId, ChangeLog, Changes, StatusChange
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.change_store import MOST_CHANGES, SECRET_BYTES, ChangeStore, decode_cursor
from taskrunner.stores.sql.change_log import keep_log, prune_log, read_changes, read_end
from taskrunner.stores.sql.named_values import NamedValues
from taskrunner.stores.sql.sql_connection import SqlPart
from taskrunner.stores.sql.tables import change_cursors

# A transaction of ours that has looked for a log in vain is about to commit.
_PATIENCE, _PAUSE = 1.0, 0.005
_CURSORS = NamedValues(change_cursors)


class SqlChangeStore(SqlPart, ChangeStore):
    async def log_changes(self, *, now: datetime, until: datetime) -> ChangeLog:
        now_ms, until_ms, secret = to_ms(now), to_ms(until), secrets.token_hex(SECRET_BYTES)
        await self._connection.write(lambda session: keep_log(session, now_ms, until_ms, secret))
        log, complete_from = await self._read_end()
        deadline = asyncio.get_running_loop().time() + _PATIENCE
        # Another database of the server may have a transaction that stays open for hours; it is none of ours.
        while log.end.major < complete_from and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(_PAUSE)
            log, _ = await self._read_end()
        return log

    async def _read_end(self) -> tuple[ChangeLog, int]:
        found = await self._connection.read(read_end)
        if found is None:
            raise StoreUnavailable("the log of changes was removed by a process whose clock is ahead")
        return found

    async def changes(self, after: ChangeId, *, limit: int) -> Changes:
        found = await self._connection.read(lambda session: read_changes(session, after, limit))
        if found is None:
            return Changes(changes=(), lost=True)
        return Changes(
            changes=[
                StatusChange(
                    id=ChangeId(major, minor),
                    task_id=task_id,
                    status=None if status is None else Status(status),
                    at=from_ms(at_ms),
                )
                for major, minor, task_id, status, at_ms in found
            ]
        )

    async def prune_changes(self, *, now: datetime) -> None:
        now_ms = to_ms(now)
        await self._connection.write(lambda session: prune_log(session, now_ms, MOST_CHANGES))

    async def change_cursors(self) -> Sequence[ChangeCursor]:
        return await _CURSORS.all(self._connection, decode_cursor)

    async def save_change_cursor(self, cursor: ChangeCursor, *, expected: ChangeCursor | None) -> bool:
        return await _CURSORS.save(self._connection, cursor, expected)

    async def delete_change_cursor(self, expected: ChangeCursor) -> bool:
        return await _CURSORS.delete(self._connection, expected)
