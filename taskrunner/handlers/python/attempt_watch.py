"""AttemptWatch ends functions whose time is over, and coroutines that are no longer wanted.

A thread cannot be killed. At its deadline a function gets an exception, `AttemptStopped`, at its next step in
Python; one that is stuck in C is written off by the owner of the workers, as every worker is. Dramatiq's
time limit works in the same way: https://dramatiq.io/reference.html#dramatiq.middleware.TimeLimit
"""

import ctypes
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

from taskrunner.handlers.base import AttemptContext

Result = TypeVar("Result")
# How late a deadline or a cancellation is noticed, at most.
INTERVAL = 0.2


class AttemptStopped(BaseException):
    """Raised in a handler at its deadline. Let it pass."""


@dataclass(slots=True, eq=False)
class _Watched:
    """A running attempt: `stop` is called once, in the watch's thread, and under the lock."""

    context: AttemptContext
    ends: float
    stop: Callable[[], None]
    heeds_cancel: bool
    lock: threading.Lock = field(default_factory=threading.Lock)
    running: bool = True
    stopped: bool = False


class AttemptWatch:
    """One thread for all workers of a process."""

    def __init__(self) -> None:
        self._watched: dict[int, _Watched] = {}
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="attempt-watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closed.set()

    def call(self, function: Callable[[], Result], context: AttemptContext, ends: float) -> Result:
        """Run `function` in this thread. Raises `AttemptStopped` if it did not return before `ends`."""
        thread_id = threading.get_ident()
        watched = _Watched(context, ends, lambda: _raise_in(thread_id), heeds_cancel=False)
        self._watched[thread_id] = watched
        try:
            try:
                return function()
            finally:
                self._leave(thread_id, watched)
        except AttemptStopped:
            # It may have come while the attempt was leaving.
            self._leave(thread_id, watched)
            raise

    def watch(self, context: AttemptContext, ends: float, stop: Callable[[], None]) -> Callable[[], None]:
        """Call `stop` at `ends` or when the attempt is cancelled; returns a function that ends the watch."""
        watched = _Watched(context, ends, stop, heeds_cancel=True)
        self._watched[id(watched)] = watched
        return lambda: self._leave(id(watched), watched)

    def _leave(self, key: int, watched: _Watched) -> None:
        with watched.lock:
            watched.running = False
        self._watched.pop(key, None)
        if watched.stopped and not watched.heeds_cancel:
            # The exception may already be on its way; from here on it would hit our own code.
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(key), None)

    def _run(self) -> None:
        while not self._closed.wait(INTERVAL):
            now = time.monotonic()
            for watched in list(self._watched.values()):
                if now >= watched.ends or (watched.heeds_cancel and watched.context.cancelled):
                    with watched.lock:
                        if watched.running and not watched.stopped:
                            watched.stopped = True
                            watched.stop()


def _raise_in(thread_id: int) -> None:
    """https://docs.python.org/3/c-api/threads.html#c.PyThreadState_SetAsyncExc"""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread_id), ctypes.py_object(AttemptStopped))
