"""Streams of lines: a whole list as NDJSON, read from the store page by page while the client takes it.

The last line says whether the stream is complete; a stream without it was cut. Only a chunked body has an end
of its own (RFC 9112 section 8), and a proxy may speak HTTP/1.0 to us. A stream is also cut when its caller
could not ask for the next page.
"""

from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from taskrunner.api.auth.access import Access, caller_of
from taskrunner.api.auth.scopes import READ
from taskrunner.api.http.accept import NDJSON
from taskrunner.api.http.answer_headers import complete_headers
from taskrunner.api.http.problems import Problem, ProblemView, RequestRefused, problem_of
from taskrunner.api.http.request_ids import request_id_of
from taskrunner.api.http.responses import SERVER
from taskrunner.api.views.view import View
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import OutsideError
from taskrunner.stores.base import Page

# Of one process. Each holds a page of lines, and slow clients stay for long.
_MAX_STREAMS = 20
_MAX_STREAMS_PER_KEY = 5
_TOO_MANY = Problem(
    status=503,
    code="too_many_streams",
    detail=f"{_MAX_STREAMS} streams are being sent, and no more can be; send the request again later",
    headers={"Retry-After": "10"},
)


class StreamEnd(View):
    """How a stream of `count` lines ended. One with a `problem` goes on from `next_cursor`, if it has one."""

    count: int
    complete: bool
    next_cursor: str | None
    problem: ProblemView | None


class LastLine(View):
    """The last line of a stream."""

    end: StreamEnd


class LineStreams:
    """Sends lists as lines, a bounded number at a time."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._running = 0
        self._running_of: Counter[str | None] = Counter()

    async def answer(
        self,
        request: web.Request,
        first: Callable[[], Awaitable[Page[bytes]]],
        read: Callable[[str], Awaitable[Page[bytes]]],
    ) -> web.StreamResponse:
        """All lines from the page that `first` reads. Nothing else is held while the client reads slowly.

        Raises `RequestRefused` before anything is read, and what `first` raises.
        """
        name = caller_of(request).name
        self._refuse_if_full(name)
        self._running += 1
        self._running_of[name] += 1
        try:
            return await self._stream(request, await first(), read)
        finally:
            self._running -= 1
            self._running_of[name] -= 1
            if not self._running_of[name]:
                del self._running_of[name]

    def _refuse_if_full(self, name: str | None) -> None:
        if name is not None and self._running_of[name] >= _MAX_STREAMS_PER_KEY:
            detail = f"{_MAX_STREAMS_PER_KEY} streams are being sent to key {name!r}; wait for the end of one"
            raise RequestRefused(
                Problem(status=429, code="too_many_streams", detail=detail, headers={"Retry-After": "10"})
            )
        if self._running >= _MAX_STREAMS:
            raise RequestRefused(_TOO_MANY)

    async def _stream(
        self, request: web.Request, first: Page[bytes], read: Callable[[str], Awaitable[Page[bytes]]]
    ) -> web.StreamResponse:
        response = web.StreamResponse()
        response.headers.update(
            (("Content-Type", NDJSON), ("Cache-Control", "no-store"), ("Vary", "Accept"), SERVER)
        )
        complete_headers(request, response)
        await response.prepare(request)
        if request.method != "HEAD":
            await _send(self._access, request, response, first, read)
        return response


async def _send(
    access: Access,
    request: web.Request,
    response: web.StreamResponse,
    page: Page[bytes],
    read: Callable[[str], Awaitable[Page[bytes]]],
) -> None:
    count, complete = 0, False
    try:
        while True:
            # Waits while the client has not read what was sent before, and raises once it has gone.
            await response.write(b"".join(line + b"\n" for line in page.items))
            count += len(page.items)
            cursor = page.cursor
            if cursor is None:
                break
            if request.transport is None:
                raise ConnectionResetError("the client has gone")
            if not await access.still_admits(request, READ):
                return
            try:
                page = await read(cursor)
            except OutsideError as exc:
                await response.write(_last_line(count, cursor, _problem(exc, request)))
                return
        await response.write(_last_line(count, None, None))
        complete = True
    finally:
        # Without its last chunk, the body is incomplete also by HTTP. What was written is still sent.
        if not complete and request.transport is not None:
            request.transport.close()


def _last_line(count: int, cursor: str | None, problem: ProblemView | None) -> bytes:
    end = StreamEnd(count=count, complete=problem is None, next_cursor=cursor, problem=problem)
    return encode(LastLine(end=end)) + b"\n"


def _problem(exc: OutsideError, request: web.Request) -> ProblemView | None:
    problem = problem_of(exc)
    return None if problem is None else problem.view(request_id_of(request))
