"""Ends: reports to the server how attempts ended, many in one call, until each report is answered."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

import grpc

from taskrunner.sdk.remote.connection import Connection, told
from taskrunner.v1 import task_executor_pb2 as pb

_log = logging.getLogger(__name__)
# Of one call. A server takes 500 updates, and messages of 512 KiB unless it is told otherwise.
_MOST_UPDATES, _MOST_BYTES = 500, 256 * 1024


class Ends:
    """Keeps the reports in the order in which attempts ended; there is at most one per lease."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: deque[pb.TaskUpdate] = deque()
        self._added = asyncio.Event()
        self._told = asyncio.Event()
        self._told.set()

    def add(self, update: pb.TaskUpdate) -> None:
        self._waiting.append(update)
        self._told.clear()
        self._added.set()

    async def all_told(self) -> None:
        """Wait until every report is answered."""
        await self._told.wait()

    async def run(self) -> None:
        """Send reports, until cancelled."""
        while True:
            await self._added.wait()
            self._added.clear()
            while self._waiting:
                await self._tell(self._next_batch())
            self._told.set()

    def _next_batch(self) -> list[pb.TaskUpdate]:
        batch, size = [self._waiting.popleft()], 0
        while self._waiting and len(batch) < _MOST_UPDATES:
            size += batch[-1].ByteSize()
            if size + self._waiting[0].ByteSize() > _MOST_BYTES:
                break
            batch.append(self._waiting.popleft())
        return batch

    async def _tell(self, batch: Sequence[pb.TaskUpdate]) -> None:
        request = pb.UpdateTaskStatusRequest(updates=batch)
        try:
            answer = await self._connection.call_until_answered("UpdateTaskStatus", request)
        except grpc.aio.AioRpcError as exc:
            await self._after_refusal(batch, exc)
            return
        for result in answer.results:
            if result.answer == pb.UPDATE_ANSWER_LATE:
                status = pb.Status.Name(result.status).removeprefix("STATUS_").lower()
                _log.warning(
                    "task %s: the attempt was over before its worker said how it ended; nothing has changed, "
                    "and the task is %s now",
                    result.id,
                    status,
                )

    async def _after_refusal(self, batch: Sequence[pb.TaskUpdate], exc: grpc.aio.AioRpcError) -> None:
        """One refused update must not hold up the others of its batch, nor keep its own task from ending."""
        if len(batch) > 1:
            for each in batch:
                await self._tell([each])
            return
        (update,) = batch
        _log.error("task %s: the server refuses how it ended: %s", update.id, told(exc))
        is_about_it = exc.code() in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
        if is_about_it and update.HasField("completed"):
            error = f"The server refused the result: {exc.details()}"
            failed = pb.Failed(error=error, final=True)
            await self._tell([pb.TaskUpdate(id=update.id, token=update.token, failed=failed)])
