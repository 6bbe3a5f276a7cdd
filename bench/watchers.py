"""Clients that watch tasks: readers of server-sent events, and submits that wait for their results.

Run as `python bench/watchers.py --port 8000 --readers 1000 --waits 1000 --task-url URL`. Half of the
readers follow a task of their own, half follow a label. It prints a line when all are connected. With the
next line on stdin it cancels the tasks that are watched, and prints one line of JSON: how late events were,
and how many readers and waits have learned of the end.
"""

import argparse
import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import aiohttp
import uvloop

_GIVES_UP_AFTER = 60.0
# Tasks a second whose events the readers of a label get.
_TOLD_PER_SECOND = 20
_OPENING_AT_ONCE = 50


@dataclass(slots=True)
class WatchFigures:
    """What the clients have seen. `delays`: from the answer to a submit until its first event."""

    delays: list[float] = field(default_factory=list)
    submitted_at: dict[str, float] = field(default_factory=dict)
    cancelled: int = 0
    answered: int = 0
    broken: int = 0
    followers: int = 0
    all_cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def note_cancelled(self) -> None:
        self.cancelled += 1
        if self.cancelled == self.followers:
            self.all_cancelled.set()


class Reader(asyncio.Protocol):
    """One raw connection; what it asked for arrives until the server ends it."""

    def __init__(self, request: bytes, figures: WatchFigures, begun: asyncio.Future[None]) -> None:
        self._request = request
        self._figures = figures
        self._begun = begun
        self._ended = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).write(self._request)  # uvloop's is none by class

    def data_received(self, data: bytes) -> None:
        if not self._begun.done() and b"id: " in data:
            self._begun.set_result(None)
        if b"event: cancelled" in data and not self._ended:
            self._ended = True
            self._figures.note_cancelled()
        if b'"reader-' in data and b"event: scheduled" in data:
            label = data.partition(b'"reader":"')[2].partition(b'"')[0].decode()
            began = self._figures.submitted_at.pop(label, None)
            if began is not None:
                self._figures.delays.append(time.perf_counter() - began)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._begun.done():
            self._begun.set_exception(exc or ConnectionError("the server closed a stream"))
        if not self._ended and exc is not None:
            self._figures.broken += 1


class Watchers:
    """All clients of one run."""

    def __init__(self, port: int, task_url: str) -> None:
        self._port = port
        self._url = f"http://127.0.0.1:{port}"
        self._task_url = task_url
        self.figures = WatchFigures()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )

    async def open_readers(self, number: int) -> None:
        paths = []
        for each in range(number):
            if each % 2:
                paths.append(f"/events?label=reader=reader-{each}")
            else:
                self.figures.followers += 1
                await self._submit(id=f"followed-{each}", labels={"bench": "watched"}, delay=3600)
                paths.append(f"/tasks/followed-{each}/events")
        for first in range(0, number, _OPENING_AT_ONCE):
            await asyncio.gather(*map(self._read, paths[first : first + _OPENING_AT_ONCE]))

    async def wait(self, number: int) -> None:
        """A submit that is answered when its task is cancelled."""
        body = {"id": f"waited-{number}", **self._fields(labels={"bench": "watched"}, delay=3600)}
        async with self._session.post(
            f"{self._url}/tasks", json=body, headers={"Prefer": "wait=600"}
        ) as response:
            task = await response.json()
            self.figures.answered += response.status == 200 and task["status"] == "cancelled"

    async def tell(self, readers: int) -> None:
        """Submit tasks for the readers of a label, until cancelled."""
        number = 0
        while True:
            number += 1
            label = f"reader-{number * 2 % readers + 1}"
            self.figures.submitted_at[label] = time.perf_counter()
            await self._submit(labels={"reader": label}, delay=3600)
            await asyncio.sleep(1 / _TOLD_PER_SECOND)

    async def cancel_all(self) -> None:
        body = {"action": "cancel", "filter": {"label": "bench=watched"}}
        async with self._session.post(f"{self._url}/operations", json=body) as response:
            response.raise_for_status()

    async def close(self) -> None:
        await self._session.close()

    async def _read(self, path: str) -> None:
        loop = asyncio.get_running_loop()
        begun: asyncio.Future[None] = loop.create_future()
        request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n\r\n".encode()
        await loop.create_connection(partial(Reader, request, self.figures, begun), "127.0.0.1", self._port)
        await begun

    async def _submit(self, **fields: Any) -> None:
        async with self._session.post(f"{self._url}/tasks", json=self._fields(**fields)) as response:
            response.raise_for_status()

    def _fields(self, **fields: Any) -> dict[str, Any]:
        return {"url": self._task_url, **fields}


async def run(port: int, task_url: str, readers: int, waits: int) -> None:
    watchers = Watchers(port, task_url)
    await watchers.open_readers(readers)
    waiting = [asyncio.create_task(watchers.wait(number)) for number in range(waits)]
    await asyncio.sleep(2.0)  # until the waits are there, and no connection is new
    print("connected", flush=True)
    telling = asyncio.create_task(watchers.tell(readers))
    await asyncio.to_thread(sys.stdin.readline)
    telling.cancel()
    began = time.perf_counter()
    await watchers.cancel_all()
    figures = watchers.figures
    async with asyncio.timeout(_GIVES_UP_AFTER):
        await asyncio.gather(*waiting)
        await figures.all_cancelled.wait()
    delays = sorted(figures.delays) or [0.0]
    report = {
        "told": len(figures.delays),
        "delay_p50_ms": round(delays[len(delays) // 2] * 1000, 1),
        "delay_p99_ms": round(delays[int(len(delays) * 0.99)] * 1000, 1),
        "ended_s": round(time.perf_counter() - began, 2),
        "cancelled": figures.cancelled,
        "answered": figures.answered,
        "broken": figures.broken,
    }
    print(json.dumps(report), flush=True)
    await watchers.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--readers", type=int, default=1000)
    parser.add_argument("--waits", type=int, default=1000)
    parser.add_argument("--task-url", required=True)
    args = parser.parse_args()
    uvloop.run(run(args.port, args.task_url, args.readers, args.waits))


if __name__ == "__main__":
    main()
