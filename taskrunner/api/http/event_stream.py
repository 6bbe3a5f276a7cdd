"""A stream of server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html

A reader that is too slow is cut off: it connects again, and gets what it has missed.
"""

import asyncio
from collections import deque

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.http.answer_headers import complete_headers
from taskrunner.api.http.responses import SERVER
from taskrunner.api.views.task_event import EventGapView
from taskrunner.domain.codec import encode

CONTENT_TYPE = "text/event-stream"
# After a broken connection, milliseconds until a client connects again.
_RETRY_MS = 3000
# Proxies commonly cut a connection that was silent for a minute.
HEARTBEAT = 15.0
# The bytes that may wait for a reader, beside 128 KiB in its connection. Readers of the same events share
# them.
MOST_PENDING_BYTES = 256 * 1024
_WRITTEN_AT_ONCE = 16 * 1024
_HEADERS = (
    ("Content-Type", CONTENT_TYPE),
    # A cache or a proxy that keeps parts back would make it a dead stream.
    ("Cache-Control", "no-cache, no-store"),
    ("X-Accel-Buffering", "no"),
    SERVER,
)


def event(name: str, event_id: str, data: object) -> bytes:
    """An event. JSON has no line breaks of its own."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), event_id.encode(), encode(data))


def gap(event_id: str) -> bytes:
    """Tells a client that it has missed events and must read the tasks again."""
    detail = "events are missing here, since the log does not reach back so far; read the tasks again"
    return event("gap", event_id, EventGapView(detail=detail))


def hello(event_id: str | None) -> bytes:
    """The beginning of a stream. A client that has received no event yet goes on from this id."""
    return b"retry: %d\n%b\n" % (_RETRY_MS, _id_line(event_id))


def head_only() -> web.StreamResponse:
    """The answer to HEAD. A `web.Response` would get the entity tag of its bytes, of which it has none."""
    return web.StreamResponse(headers=CIMultiDict(_HEADERS))


class EventStream:
    """The stream of one client. `offer` is for any time; `run` writes what was offered, until `end`."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self._loop = asyncio.get_running_loop()
        self._response = web.StreamResponse(headers=CIMultiDict(_HEADERS))
        self._pending: deque[bytes] = deque()
        self._pending_bytes = 0
        # Of these, what was offered before the answer, when there was no reader yet that could be slow.
        self._early_bytes = 0
        self._ended = False
        self._waiting: asyncio.Future[None] | None = None
        self._written_at = self._loop.time()

    def heartbeat_id(self) -> str | None:
        """The id from which the client may go on if nothing happens to what it watches; None if unknown."""
        return None

    @property
    def response(self) -> web.StreamResponse:
        return self._response

    async def open(self) -> None:
        """Answer 200."""
        complete_headers(self._request, self._response)
        await self._response.prepare(self._request)

    def offer(self, *events: bytes) -> None:
        """Send this as soon as the client reads. If too much waits already, its connection is cut."""
        if self._ended:
            return
        if self._pending_bytes - self._early_bytes > MOST_PENDING_BYTES:
            self.cut()
            return
        self._pending.extend(events)
        size = sum(map(len, events))
        self._pending_bytes += size
        if not self._response.prepared:
            self._early_bytes += size
        self._wake()

    def end(self) -> None:
        """End the stream once all that was offered is written."""
        self._ended = True
        self._wake()

    def cut(self) -> None:
        """End the connection now."""
        self._pending.clear()
        self._pending_bytes = self._early_bytes = 0
        if self._request.transport is not None:
            self._request.transport.abort()
        self.end()

    def look(self) -> None:
        if self._loop.time() - self._written_at >= HEARTBEAT and not self._pending:
            self.offer(b": heartbeat\n%b\n" % _id_line(self.heartbeat_id()))

    async def run(self) -> web.StreamResponse:
        """Raises `ConnectionError` when the client is gone."""
        while True:
            await self.write_pending()
            if self._ended and not self._pending:
                return self._response
            if not self._pending:
                self._waiting = self._loop.create_future()
                await self._waiting

    async def write_pending(self) -> None:
        """Waits for a client that reads slowly."""
        while self._pending:
            self._written_at = self._loop.time()
            await self._response.write(self._next_part())

    def _next_part(self) -> bytes:
        """Some of what waits: a copy of all of it for each reader would be too much."""
        events: list[bytes] = []
        size = 0
        while self._pending and size < _WRITTEN_AT_ONCE:
            events.append(self._pending.popleft())
            size += len(events[-1])
        self._pending_bytes -= size
        self._early_bytes = max(0, self._early_bytes - size)
        return b"".join(events)

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(None)


def _id_line(event_id: str | None) -> bytes:
    return b"" if event_id is None else b"id: %b\n" % event_id.encode()
