"""Reads a blocking iterator in a thread, and hands its items to the event loop in batches."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ThreadReader(Generic[Item]):
    """A batch holds the items that have arrived when it is requested: at least one, at most `batch`.

    So a slow source comes item by item, and a fast one in full batches. At most `ahead` items wait. The
    thread cannot be stopped while the source blocks; it is a daemon thread and ends with the process.
    """

    def __init__(self, source: Iterable[Item], *, batch: int, ahead: int) -> None:
        self._source = source
        self._batch = batch
        self._items: deque[Item] = deque()
        self._room = threading.Semaphore(ahead)
        self._arrived = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._ended = False
        self._error: Exception | None = None

    @property
    def ready(self) -> bool:
        """Whether the next batch needs no wait."""
        return bool(self._items)

    async def batches(self) -> AsyncIterator[list[Item]]:
        """Every item once, in order; then the error of the source, if it raised one."""
        threading.Thread(target=self._read, name="thread-reader", daemon=True).start()
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._items:
                taken = [self._items.popleft() for _ in range(min(self._batch, len(self._items)))]
                self._room.release(len(taken))
                yield taken
            if self._ended and not self._items:
                break
        if self._error is not None:
            raise self._error

    def _read(self) -> None:
        try:
            for item in self._source:
                self._room.acquire()
                self._items.append(item)
                if not self._arrived.is_set():
                    self._wake()
        except Exception as exc:  # noqa: BLE001 - raised by `batches`
            self._error = exc
        self._ended = True
        self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._arrived.set)
        except RuntimeError:
            # The loop is closed, so no coroutine reads any more.
            return
