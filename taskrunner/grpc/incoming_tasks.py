"""The tasks of a stream, in parts: each has what arrived while the part before was processed."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from taskrunner.grpc.live_stream import stream_ended
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.v1 import task_executor_pb2 as pb

NumberedRequest = tuple[int, pb.AddTaskRequest]

# As many as the HTTP API processes at a time; further ones wait in the client's connection.
_PART = 250
_PART_BYTES = 1024 * 1024


class IncomingTasks:
    """A `LiveRequest`."""

    def __init__(self, requests: AsyncIterator[pb.AddTaskRequest]) -> None:
        self._requests = requests
        self._part: list[NumberedRequest] = []
        self._part_bytes = 0
        self._changed, self._has_room = asyncio.Event(), asyncio.Event()
        self._cut = False

    def end(self) -> None:
        """See `LiveRequest`."""
        self._cut = True
        self._changed.set()

    def look(self) -> None:
        """gRPC itself asks whether the client is there."""

    async def parts(self) -> AsyncGenerator[list[NumberedRequest], None]:
        """The requests, numbered from 1. Raises what reading them raises, after those before."""
        reading = asyncio.create_task(self._read(), name="incoming tasks")
        reading.add_done_callback(lambda _: self._changed.set())
        try:
            while True:
                await self._changed.wait()
                self._changed.clear()
                if self._cut:
                    raise stream_ended()
                part, self._part, self._part_bytes = self._part, [], 0
                self._has_room.set()
                if part:
                    yield part
                elif reading.done():
                    await reading
                    return
                if reading.done():
                    self._changed.set()
        finally:
            await cancel_and_wait(reading)

    async def _read(self) -> None:
        number = 0
        async for request in self._requests:
            number += 1
            while len(self._part) >= _PART or self._part_bytes >= _PART_BYTES:
                self._has_room.clear()
                await self._has_room.wait()
            self._part.append((number, request))
            self._part_bytes += request.ByteSize()
            self._changed.set()
