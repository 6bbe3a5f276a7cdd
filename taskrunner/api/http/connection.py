"""Connections of clients, with limits on how long a request may take to arrive and an answer to leave.

aiohttp limits how long a connection may idle, but not how slowly the head of a request may arrive, nor how
long a client may leave an answer unread. Exceptions of a request become problems here.
"""

import asyncio
import time
import uuid
from typing import Any

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import ERROR

from taskrunner.api.http.answer_headers import AnswerHeaders, complete_headers
from taskrunner.api.http.connection_places import TOO_MANY, ConnectionPlaces
from taskrunner.api.http.content_coding import encode_content
from taskrunner.api.http.entity_tags import READS, conditional
from taskrunner.api.http.handler import ROUTE, FixedRoutes
from taskrunner.api.http.problems import Problem, http_problem, internal_error, problem_of
from taskrunner.api.http.request_guard import PROBES, RequestGuard
from taskrunner.api.http.request_ids import begin_request, new_request_id, request_id_of
from taskrunner.api.http.request_parts import RequestParts, problem_of_parser
from taskrunner.api.http.resources import METHODS, options_response, problem_of_router, redirect_without_slash
from taskrunner.api.http.responses import problem_response, unasked_problem
from taskrunner.api.http.settings import ServerSettings
from taskrunner.domain.events import Events
from taskrunner.domain.process_events import RequestAnswered, RequestDenied, RequestFailed

_LINGER = 1.0  # how long the rest of a refused body is read, so that the client gets to see the refusal
# After these the rest of the request may still be on its way, so the connection cannot be used again.
_CLOSING = frozenset({408, 413})
_DENIED = frozenset({401, 403, 429})  # counted, not audited: anybody can cause them
_MAX_HEAD_BYTES = 64 * 1024  # all headers of a request together


class ClientConnection(web.RequestHandler):
    """aiohttp's protocol with two clocks, which `end_if_slow` reads.

    `receiving_since`: the connection was accepted, or the first byte of a later request arrived, and the head
    is not complete; so a TLS handshake and the first head together have the time of a head. `unread_since`:
    the client has not read any of the `unread_bytes` that we wrote. Both are on the loop's clock, None while
    they do not run. `is_silent` until the first byte of a request; `handshake` until it is done.
    """

    __slots__ = (
        "_clock",
        "_head_bytes",
        "_parts",
        "answer_headers",
        "foreign_version",
        "handling",
        "handshake",
        "is_silent",
        "only_probes",
        "payload",
        "receiving_since",
        "unread_bytes",
        "unread_since",
    )

    def __init__(self, server: "ConnectionServer", loop: asyncio.AbstractEventLoop, **limits: Any) -> None:
        super().__init__(server, loop=loop, auto_decompress=False, **limits)  # `request_codings` decodes
        self.answer_headers = server.answer_headers
        self._clock = loop.time
        self._head_bytes = 0
        self._parts = RequestParts()
        self.foreign_version = False
        self.handling = False
        self.handshake: asyncio.Task[None] | None = None
        self.is_silent = True
        self.only_probes = False
        self.payload: StreamReader | None = None
        self.receiving_since: float | None = self._clock()
        self.unread_since: float | None = None
        self.unread_bytes = 0

    def data_received(self, data: bytes) -> None:
        self.is_silent = False
        if self.receiving_since is None and not self.handling:
            self.receiving_since = self._clock()
        if self._is_whole_request(data):
            super().data_received(data)
            return
        start = 0
        while start < len(data) and self.transport is not None and not self._is_broken():
            end = self._parts.end_of_part(data, start)
            self._feed(data[start:end])
            start = end
        if not data:
            self._feed(data)  # aiohttp asks for what the parser has put aside

    def _is_whole_request(self, data: bytes) -> bool:
        """Whether it is one, of which nothing came before. Most are, and need not be cut."""
        is_first = not self._messages and not self._head_bytes
        return is_first and len(data) <= _MAX_HEAD_BYTES and self._parts.is_whole_request(data)

    def _feed(self, part: bytes) -> None:
        in_head = self.receiving_since is not None and not self._parts.in_body and not self._messages
        before = len(self._messages)
        super().data_received(part)
        head_bytes = len(part)
        if len(self._messages) == before:
            self._parts.fed(len(part))
        else:
            message, payload = self._messages[-1]
            if not isinstance(message, RawRequestMessage):
                self._break_body()
                return
            self._parts.begin(message, payload)
            head_bytes -= payload.total_bytes
        if in_head:
            self._head_bytes += head_bytes
            if self._head_bytes > _MAX_HEAD_BYTES + self.max_line_size:
                self.end_with(http_problem(431, f"the headers are larger than {_MAX_HEAD_BYTES} bytes"))

    def _is_broken(self) -> bool:
        """Whether the parser has given up."""
        return bool(self._messages) and not isinstance(self._messages[-1][0], RawRequestMessage)

    def _break_body(self) -> None:
        """A handler that reads the body must not wait for the rest."""
        payload = self._messages[-2][1] if len(self._messages) > 1 else self.payload
        if payload is not None and not payload.is_eof():
            payload.set_exception(web.RequestPayloadError())

    def begin(self, payload: StreamReader) -> None:
        """The head of a request is complete."""
        self.handling = True
        self.receiving_since = None
        self._head_bytes = 0
        self.payload = payload

    def resume_reading(self, resume_parser: bool = True) -> None:
        # aiohttp asks for this after each chunk that is read, and most connections were never paused.
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def pause_writing(self) -> None:
        super().pause_writing()
        self.unread_since = self._clock()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.unread_since = None

    def end_if_slow(self, limit: float) -> None:
        """Close when a clock has run for more than `limit` seconds; a slow sender gets the reason."""
        now, transport = self._clock(), self.transport
        if transport is None:
            return
        if self._is_unread(transport, now, limit):
            # Nobody reads, so an answer would not arrive.
            transport.abort()
        elif self.receiving_since is not None and now - self.receiving_since > limit:
            if self.is_silent:
                self.force_close()
            else:
                self.end_with(http_problem(408, f"the headers were not complete within {limit:g} s"))

    def _is_unread(self, transport: asyncio.Transport, now: float, limit: float) -> bool:
        """A client that reads slowly is not cut off: it may be on a slow line."""
        if self.unread_since is None:
            return False
        unread_bytes = transport.get_write_buffer_size()
        if unread_bytes != self.unread_bytes:
            self.unread_bytes, self.unread_since = unread_bytes, now
        return now - self.unread_since > limit

    def force_close(self) -> None:
        if self.handshake is not None:
            self.handshake.cancel()
        super().force_close()

    def end_with(self, problem: Problem) -> None:
        """Answer `problem` outside of any request, and close."""
        if self.transport is not None:
            self.transport.write(unasked_problem(problem, new_request_id()))
        self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Called by aiohttp for a request that it cannot parse. Not logged: anybody can send garbage."""
        limits = self.max_line_size, self.max_field_size, self.max_headers
        problem = problem_of_parser(exc, *limits) if status == 400 else http_problem(status, "failed")
        response = problem_response(problem, new_request_id())
        response.force_close()
        return response


class ConnectionServer(web.Server):
    """Makes a `ClientConnection` per client, bounds their number, and answers errors with problems.

    It wraps the application's handler outside of the router, so that an unknown path or method gets a problem
    too, at the cost of one more call per request.
    """

    def __init__(
        self, app_server: web.Server, fixed_routes: FixedRoutes, events: Events, options: ServerSettings
    ) -> None:
        super().__init__(self._handle, request_factory=self._begin)
        self._make = app_server.request_factory
        self._handle_in_app = app_server.request_handler
        self._fixed_routes = fixed_routes
        self._events = events
        self._options = options
        self._guard = RequestGuard(options)
        self.answer_headers = AnswerHeaders(options)
        self.places = ConnectionPlaces(options.max_connections)
        self._draining = False

    def __call__(self) -> ClientConnection:
        options = self._options
        return ClientConnection(
            self,
            asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=options.keepalive_timeout,
            lingering_time=_LINGER,
            max_line_size=options.max_url_bytes,
            max_field_size=options.max_header_bytes,
            max_headers=options.max_headers,
        )

    def accepted(self, connection: ClientConnection) -> None:
        """A TLS handshake is to begin."""
        self.places.take(connection)

    def handshake_ended(self, connection: ClientConnection) -> None:
        """Done, or failed: then nobody is told that the connection is lost."""
        if connection.handshake is not None:
            self.places.give_back(connection)

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if isinstance(handler, ClientConnection):
            handler.handshake = None
            self.places.take(handler)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        super().connection_lost(handler, exc)
        if isinstance(handler, ClientConnection):
            self.places.give_back(handler)

    async def drain(self, seconds: float) -> None:
        """Close each connection after its next answer; wait up to `seconds` until all are closed."""
        self._draining = True
        await self.places.wait_closed(seconds)

    def end_slow(self) -> None:
        """Close every connection that exceeds the request timeout."""
        for connection in self.connections:
            if isinstance(connection, ClientConnection):
                connection.end_if_slow(self._options.request_timeout)

    def _begin(
        self,
        message: RawRequestMessage,
        payload: StreamReader,
        protocol: web.RequestHandler,
        writer: AbstractStreamWriter,
        task: "asyncio.Task[None]",
    ) -> web.BaseRequest:
        """Called by aiohttp when the head of a request is complete."""
        if isinstance(protocol, ClientConnection):
            protocol.begin(payload)
            self.places.idle.pop(protocol, None)
            protocol.foreign_version = message.version.major != 1
        if message is ERROR or message.version.major != 1:
            # The parser marks its errors as HTTP/1.0; we answer in the version that we speak.
            message = message._replace(version=HttpVersion11)
        return self._make(message, payload, protocol, writer, task)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        protocol, started = request.protocol, time.monotonic()
        try:
            begin_request(request)
            response = await self._answer(request, protocol)
            complete_headers(request, response)
            # RFC 9112 9.6: announce the close. The unread rest of a body would precede the next request.
            if self._draining or not request.content.is_eof():
                response.force_close()
            await encode_content(request, response)
            took = time.monotonic() - started
            self._events.emit(RequestAnswered(route=request.get(ROUTE), status=response.status, elapsed=took))
            return response
        finally:
            if isinstance(protocol, ClientConnection):
                protocol.handling = False
                if protocol.transport is not None:
                    self.places.idle[protocol] = None

    async def _answer(self, request: web.BaseRequest, protocol: object) -> web.StreamResponse:
        try:
            if refusal := self._refusal(request, protocol):
                response = problem_response(refusal, request_id_of(request))
                response.force_close()
                return response
            self._guard.check(request)
            handler = self._fixed_routes.get((request.method, request.raw_path))
            if handler is None or "Expect" in request.headers:
                handler = self._handle_in_app
            answer = await handler(request)
            return await conditional(request, answer) if request.method in READS else answer
        except web.HTTPException as exc:
            if exc.status < 400:
                complete_headers(request, exc)
                raise
            if other := options_response(exc, request) or await redirect_without_slash(exc, request):
                return other
            problem = problem_of_router(exc, request)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as exc:  # noqa: BLE001 - the boundary of a request: log it, answer an id
            problem = problem_of(exc) or self._unexpected(exc, request)
        response = problem_response(problem, request_id_of(request))
        if problem.status in _DENIED:
            self._events.emit(RequestDenied(status=problem.status, code=problem.code))
        if problem.status in _CLOSING:
            response.force_close()
        return response

    def _refusal(self, request: web.BaseRequest, protocol: object) -> Problem | None:
        """Why a request is refused before its path is looked at (RFC 9110 9.1); None if it is not."""
        if isinstance(protocol, ClientConnection):
            # RFC 9110 15.6.6; the parser lets HTTP/0.9 and HTTP/2.0 through.
            if protocol.foreign_version:
                return http_problem(505, "this server speaks HTTP/1.0 and HTTP/1.1")
            if protocol.only_probes and request.path not in PROBES:
                if self.places.are_taken:
                    return TOO_MANY
                protocol.only_probes = False
        if request.method not in METHODS:
            return http_problem(501, f"there are only the methods {', '.join(METHODS)}")
        return None

    def _unexpected(self, exc: Exception, request: web.BaseRequest) -> Problem:
        error_id = str(uuid.uuid4())
        asked = {"request_id": request_id_of(request), "method": request.method, "path": request.path}
        self._events.emit(RequestFailed(id=error_id, error=exc, **asked))
        return internal_error(error_id)
