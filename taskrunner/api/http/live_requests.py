"""Live requests: waits and streams, which stay open until something happens. Their number is bounded.

They end when their client is gone, when its key is no longer good, and when the server stops.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Protocol

from aiohttp import web

from taskrunner.api.auth.access import Access, caller_of
from taskrunner.api.auth.scopes import Needs
from taskrunner.api.http.problems import Problem, RequestRefused, refuse
from taskrunner.api.http.settings import ApiSettings
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.runtime.file_limit import affordable_connections

# Seconds between two checks of all of them.
LOOK = 2.0
_AT_ONCE = 20
# Whether a client is there, and could make its request again.
MayGoOn = Callable[[], Awaitable[bool]]


class LiveRequest(Protocol):
    """A wait or a stream."""

    def end(self) -> None:
        """Answer what there is, now."""

    def look(self) -> None:
        """Called every two seconds while it goes on."""


class LiveRequests:
    """Owns the live requests of this process."""

    def __init__(self, access: Access, options: ApiSettings) -> None:
        self._access = access
        self._options = options
        # The other connections are for those who do not wait.
        self._most = max(1, affordable_connections(options.max_connections) * 4 // 5)
        self._waits: dict[LiveRequest, MayGoOn] = {}
        self._streams: dict[LiveRequest, MayGoOn] = {}
        self._waits_of: Counter[str | None] = Counter()
        self._streams_of: Counter[str | None] = Counter()
        self._closed = False
        self._looking: asyncio.Task[None] | None = None

    @property
    def waits(self) -> int:
        """How many go on."""
        return len(self._waits)

    @property
    def streams(self) -> int:
        """How many go on."""
        return len(self._streams)

    async def start(self, _: web.Application) -> None:
        self._closed = False
        self._looking = asyncio.create_task(self._look(), name="live requests")

    async def stop(self, _: web.Application) -> None:
        """End all, and let none begin. Safe to call twice."""
        self._closed = True
        for live in (*self._waits, *self._streams):
            live.end()
        if self._looking is not None:
            await cancel_and_wait(self._looking)
            self._looking = None

    def waiting(self, request: web.Request, wait: LiveRequest, needs: Needs) -> AbstractContextManager[bool]:
        """Takes a place for this wait inside; False if there is none."""
        return self.waiting_for(caller_of(request).name, wait, partial(self._may_go_on, request, needs))

    @contextmanager
    def waiting_for(self, name: str | None, wait: LiveRequest, may_go_on: MayGoOn) -> Iterator[bool]:
        """The same for a wait of the key `name`, also of another server than the application's."""
        if not self._has_room_to_wait(name):
            yield False
            return
        self._waits[wait] = may_go_on
        try:
            with _counted(self._waits_of, name):
                yield True
        finally:
            del self._waits[wait]

    def streaming(
        self, request: web.Request, stream: LiveRequest, needs: Needs
    ) -> AbstractContextManager[None]:
        """Has a place for this stream inside. Raises `RequestRefused`."""
        return self.streaming_for(caller_of(request).name, stream, partial(self._may_go_on, request, needs))

    @contextmanager
    def streaming_for(self, name: str | None, stream: LiveRequest, may_go_on: MayGoOn) -> Iterator[None]:
        """The same for a stream of the key `name`, also of another server than the application's."""
        self._refuse_if_full(name)
        self._streams[stream] = may_go_on
        try:
            with _counted(self._streams_of, name):
                yield
        finally:
            del self._streams[stream]

    def _has_room_to_wait(self, name: str | None) -> bool:
        if self._closed or self._is_crowded() or len(self._waits) >= self._options.max_waits:
            return False
        return name is None or self._waits_of[name] < self._options.max_waits_per_key

    def _refuse_if_full(self, name: str | None) -> None:
        if self._closed:
            raise refuse(503, "stopping", "this server stops; connect again")
        most = self._options.max_streams_per_key
        if name is not None and self._streams_of[name] >= most:
            detail = f"key {name!r} has {most} streams of events, which is the most (Api.max_streams_per_key)"
            raise RequestRefused(
                Problem(status=429, code="too_many_streams", detail=detail, headers={"Retry-After": "10"})
            )
        most = self._options.max_streams
        if len(self._streams) >= most or self._is_crowded():
            detail = (
                f"this server has {len(self._streams)} streams of events and {len(self._waits)} waits, "
                "which is the most (Api.max_streams, and four fifths of Api.max_connections)"
            )
            raise RequestRefused(
                Problem(status=503, code="too_many_streams", detail=detail, headers={"Retry-After": "10"})
            )

    async def check(self, request: web.Request, needs: Needs) -> None:
        """Raises `RequestRefused` for a caller that could not make the request again."""
        if not await self.may_see(request, needs):
            raise refuse(
                401, "key_unknown", "this API key was revoked, expired or lost a scope during the request"
            )

    async def may_see(self, request: web.Request, needs: Needs) -> bool:
        """Whether the caller could ask for what needs these scopes now, and would see as much."""
        return await self._access.still_admits(request, needs)

    def _is_crowded(self) -> bool:
        return len(self._streams) + len(self._waits) >= self._most

    async def _look(self) -> None:
        """At a few at a time: a look at thousands at once would make others wait."""
        while True:
            everyone = [*self._waits.items(), *self._streams.items()]
            parts = [everyone[at : at + _AT_ONCE] for at in range(0, len(everyone), _AT_ONCE)] or [[]]
            for part in parts:
                for live, may_go_on in part:
                    if await may_go_on():
                        live.look()
                    else:
                        live.end()
                await asyncio.sleep(LOOK / len(parts))

    async def _may_go_on(self, request: web.Request, needs: Needs) -> bool:
        transport = request.transport
        if transport is None or transport.is_closing():
            return False
        return await self._access.still_admits(request, needs)


@contextmanager
def _counted(counts: Counter[str | None], name: str | None) -> Iterator[None]:
    """Counts one more of that name inside."""
    counts[name] += 1
    try:
        yield
    finally:
        counts[name] -= 1
        if not counts[name]:
            del counts[name]
