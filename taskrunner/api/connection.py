"""A connection: one client's, with a limit on how long a request may take to arrive and an answer to leave.

aiohttp bounds how long a connection may idle, but not how slowly the head of a request may drip in, nor how
long a client may leave an answer unread.
"""

import asyncio
from contextlib import suppress
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_exceptions import LineTooLong
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader

from taskrunner.api.boundary import Boundary
from taskrunner.api.problems import CONTENT_TYPE, Problem, http_problem
from taskrunner.api.responses import problem_response
from taskrunner.api.settings import ServerSettings

# How long the rest of a refused body is read and thrown away, so that the client gets to see the refusal.
_LINGER = 1.0


class Connection(web.RequestHandler):
    """aiohttp's protocol with two clocks, which `end_if_slow` reads.

    `receiving_since`: the first byte of a request came, its head is not complete. `unread_since`: of what
    we wrote, `unread_bytes` wait for the client, and that has not changed. Both are on the loop's clock, None
    while they do not run.
    """

    __slots__ = ("_clock", "handling", "receiving_since", "unread_bytes", "unread_since")

    def __init__(self, server: "ConnectionServer", loop: asyncio.AbstractEventLoop, **limits: Any) -> None:
        super().__init__(server, loop=loop, **limits)
        self._clock = loop.time
        self.handling = False
        self.receiving_since: float | None = None
        self.unread_since: float | None = None
        self.unread_bytes = 0

    def data_received(self, data: bytes) -> None:
        if self.receiving_since is None and not self.handling:
            self.receiving_since = self._clock()
        super().data_received(data)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread_since = self._clock()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unread_since = None

    def end_if_slow(self, limit: float) -> None:
        """Close when a clock has run for more than `limit` seconds; tell a slow sender why."""
        now, transport = self._clock(), self.transport
        if transport is None:
            return
        if self._is_unread(transport, now, limit):
            # Nobody reads, so there is nothing to be polite with.
            transport.abort()
        elif self.receiving_since is not None and now - self.receiving_since > limit:
            detail = f"the headers were not complete within {limit:g} s"
            self.end_with(http_problem(408, detail))

    def _is_unread(self, transport: asyncio.Transport, now: float, limit: float) -> bool:
        """A client that reads slowly, but reads, is not cut off: it may be on a slow line."""
        if self.unread_since is None:
            return False
        unread_bytes = transport.get_write_buffer_size()
        if unread_bytes != self.unread_bytes:
            self.unread_bytes, self.unread_since = unread_bytes, now
        return now - self.unread_since > limit

    def end_with(self, problem: Problem) -> None:
        """Answer `problem` outside of any request, and close."""
        if self.transport is not None:
            self.transport.write(_raw_response(problem))
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What aiohttp calls for a request that its parser refuses; never a traceback, and never a log line.

        Anybody can send garbage, so garbage is no news.
        """
        response = problem_response(self._unparsed(exc) if status == 400 else http_problem(status, "failed"))
        response.force_close()
        return response

    def _unparsed(self, exc: BaseException | None) -> Problem:
        if isinstance(exc, LineTooLong):
            # aiohttp has one error for both, with the limit that was crossed as its second argument.
            if exc.args[1] == self.max_line_size:
                return http_problem(414, f"the URL is longer than {self.max_line_size} bytes")
            return http_problem(431, f"a header is larger than {self.max_field_size} bytes")
        if "Too many headers" in str(exc):
            return http_problem(431, f"more than {self.max_headers} headers")
        return http_problem(400, "this is no HTTP request as RFC 9112 has it")


class ConnectionServer(web.Server):
    """Makes a `Connection` per client, and keeps their number within bounds."""

    def __init__(self, app_server: web.Server, boundary: Boundary, options: ServerSettings) -> None:
        super().__init__(self._handle, request_factory=self._begin)
        self._make = app_server.request_factory
        self._boundary = boundary
        self._options = options
        self._open = 0
        self._parting = False
        self._all_closed = asyncio.Event()

    def __call__(self) -> Connection:
        options = self._options
        return Connection(
            self,
            asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=options.keepalive_timeout,
            lingering_time=_LINGER,
            max_line_size=options.max_url_bytes,
            max_field_size=options.max_header_bytes,
            max_headers=options.max_headers,
        )

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        self._open += 1
        if self._open > self._options.max_connections and isinstance(handler, Connection):
            handler.end_with(http_problem(503, "too many connections", {"Retry-After": "1"}))

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        self._open -= 1
        if self._open == 0:
            self._all_closed.set()

    async def part(self, seconds: float) -> None:
        """From now on each answer closes its connection; wait that long for the connections to end so."""
        self._parting = True
        if self._open == 0:
            return
        self._all_closed.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_closed.wait()

    def end_slow(self) -> None:
        """Close every connection that has kept us waiting for too long."""
        for connection in self.connections:
            if isinstance(connection, Connection):
                connection.end_if_slow(self._options.request_timeout)

    def _begin(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        """The head of a request is complete: aiohttp asks for the object that stands for it."""
        if isinstance(protocol, Connection):
            protocol.handling = True
            protocol.receiving_since = None
        return self._make(message, payload, protocol, writer, task)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            response = await self._boundary(request)
            if self._parting:
                response.force_close()
            return response
        finally:
            protocol = request.protocol
            if isinstance(protocol, Connection):
                protocol.handling = False


def _raw_response(problem: Problem) -> bytes:
    body = problem.encode()
    fields = {
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **problem.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {problem.status} {problem.title}\r\n{head}\r\n".encode() + body
