"""A client of server-sent events, by the rules of the HTML standard (section 9.2.6)."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.flow.api.harness import Api
from tests.tools.waiting import in_time


@dataclass
class Event:
    """A dispatched event; `id` is the last event id of the stream at that time."""

    name: str
    data: Any
    id: str

    @property
    def seen(self) -> tuple[str, str]:
        return self.name, self.data["task_id"]


@dataclass
class EventReader:
    """Parses a response, event by event. `last_id` and `retry_ms` are as a browser would have them."""

    response: aiohttp.ClientResponse
    last_id: str = ""
    retry_ms: int | None = None
    comments: list[str] = field(default_factory=list)

    async def next(self) -> Event | None:
        """The next event; None at the end of the stream."""
        name, data = "", list[str]()
        async with in_time("the next event"):
            while line := (await self.response.content.readline()).decode():
                assert line.endswith("\n")
                text = line[:-1]
                if not text:
                    if data:
                        return Event(name or "message", json.loads("\n".join(data)), self.last_id)
                    name = ""
                    continue
                key, _, value = text.partition(":")
                value = value.removeprefix(" ")
                if key == "":
                    self.comments.append(value)
                elif key == "event":
                    name = value
                elif key == "data":
                    data.append(value)
                elif key == "id":
                    self.last_id = value
                elif key == "retry":
                    self.retry_ms = int(value)
        return None

    async def take(self, number: int) -> list[Event]:
        found = [await self.next() for _ in range(number)]
        assert None not in found
        return [each for each in found if each is not None]

    async def rest(self) -> list[Event]:
        """All up to the end of the stream."""
        found = []
        while (each := await self.next()) is not None:
            found.append(each)
        return found

    async def begin(self) -> None:
        """Until the stream is live."""
        async with in_time("the stream begins"):
            while self.retry_ms is None or not self.last_id:
                line = (await self.response.content.readline()).decode().strip()
                key, _, value = line.partition(": ")
                if key == "id":
                    self.last_id = value
                elif key == "retry":
                    self.retry_ms = int(value)
            await self.response.content.readline()


@asynccontextmanager
async def events_of(
    api: Api, path: str, *, key: dict[str, str] | None = None, after: str | None = None
) -> AsyncIterator[EventReader]:
    """A stream that has been answered with 200."""
    headers = {**(key or {}), **({} if after is None else {"Last-Event-ID": after})}
    url = f"http://127.0.0.1:{api.server.port}{path}"
    async with api.session.get(url, headers=headers) as response:
        assert response.status == 200, await response.text()
        assert response.headers["Content-Type"] == "text/event-stream"
        yield EventReader(response)
