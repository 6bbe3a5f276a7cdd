"""Threads that run attempts and are reused: starting a thread costs more than a short attempt."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Threads(Generic[Answer]):
    """Used on one event loop, from `run` to `close`. They are daemons: a stuck one ends with the process.

    `work` raises nothing.
    """

    def __init__(self) -> None:
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._count = self._free = 0

    def run(self, work: Callable[[], Answer]) -> "asyncio.Future[Answer]":
        """Run `work` in a thread that is free, or in a new one."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Answer] = loop.create_future()

        def call() -> None:
            found = work()
            # A loop that is closed waits for nothing: the attempt was given back.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._end, answer, found)

        if self._free:
            self._free -= 1
        else:
            self._count += 1
            threading.Thread(target=self._serve, name=f"attempts-{self._count}", daemon=True).start()
        self._calls.put(call)
        return answer

    def close(self) -> None:
        """End every thread once it is free."""
        for _ in range(self._count):
            self._calls.put(None)

    def _end(self, answer: "asyncio.Future[Answer]", found: Answer) -> None:
        self._free += 1
        if not answer.done():
            answer.set_result(found)

    def _serve(self) -> None:
        while (call := self._calls.get()) is not None:
            call()
