"""Inbox hands attempts to worker threads: the last to fall idle is the first to get one.

Where tasks are short a few threads do all the work, with warm caches and connections, and the others sleep.
To wake all fifty for a burst would cost more in handovers of the interpreter lock than the fetches do. So
`put` wakes at most one thread, and a thread that takes one of several items wakes the next before it begins.
"""

import threading
from _thread import LockType
from collections import deque
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Inbox(Generic[Item]):
    """A queue with one putting thread and many taking ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._items: deque[Item] = deque()
        self._idle: list[LockType] = []
        self._waking = False

    def put(self, item: Item) -> None:
        with self._lock:
            self._items.append(item)
            sleeper = self._next_sleeper()
        if sleeper is not None:
            sleeper.release()

    def get(self) -> Item:
        """The next item; sleeps until there is one."""
        own = threading.Lock()
        own.acquire()
        while True:
            with self._lock:
                if self._items:
                    item = self._items.popleft()
                    sleeper = self._next_sleeper() if self._items else None
                    break
                self._idle.append(own)
            own.acquire()
            # We were the thread being woken; the next one may be woken now.
            self._waking = False
        if sleeper is not None:
            sleeper.release()
        return item

    def withdraw(self) -> list[Item]:
        """Everything that nobody has taken."""
        with self._lock:
            items = list(self._items)
            self._items.clear()
        return items

    def _next_sleeper(self) -> LockType | None:
        """The thread to wake, unless one is being woken already. Call under the lock."""
        if self._waking or not self._idle:
            return None
        self._waking = True
        return self._idle.pop()
