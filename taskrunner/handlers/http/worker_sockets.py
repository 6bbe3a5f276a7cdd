"""The open sockets of each worker, and the thread that shuts them down upon a cancel or a stall.

libcurl calls its progress function some eight times per fetch, each time taking the interpreter lock (that
halves the rate at 50 threads), and never while it resolves a name. So there is no progress function. One
thread for all workers checks four times a second which attempts are cancelled or have waited too long for a
byte, and shuts down their sockets, which ends every wait of libcurl at once.

Only this module shuts down sockets, and only while it holds the worker's lock: the number of a socket that
libcurl has closed may be another file a moment later.
"""

import os
import socket
import threading
import time

from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.exchange import Exchange

# A cancelled or stalled attempt is noticed within this many seconds.
WATCH_INTERVAL = 0.25


class WorkerSockets:
    """The sockets of one worker, used by the worker's thread and by the watch.

    An exchange stalls when the first byte of its answer takes `first_byte` seconds, or a later one `idle`.
    """

    def __init__(self, *, first_byte: float, idle: float) -> None:
        self._first_byte = first_byte
        self._idle = idle
        self._lock = threading.Lock()
        self._context: AttemptContext | None = None
        self._exchange: Exchange | None = None
        # The exchange that the watch saw last, its progress, and since when it has stood there.
        self._seen: tuple[Exchange | None, tuple[int, int], float] = (None, (0, 0), 0.0)
        self._sockets: set[int] = set()
        self.was_shut_down = False

    def begin_attempt(self, context: AttemptContext) -> None:
        self.was_shut_down = False
        self._context = context

    def end_attempt(self) -> None:
        with self._lock:
            self._context = None

    @property
    def cancelled(self) -> bool:
        """Whether the current attempt is cancelled."""
        context = self._context
        return context is not None and context.cancelled

    def begin_exchange(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def end_exchange(self) -> None:
        with self._lock:
            self._exchange = None

    def add(self, number: int) -> None:
        with self._lock:
            self._sockets.add(number)

    def close(self, number: int) -> None:
        with self._lock:
            self._sockets.discard(number)
            os.close(number)

    def shut_down(self, number: int) -> None:
        """Prevent the connection from being used again; does nothing for one that is already closed."""
        with self._lock:
            if number in self._sockets:
                _shut_down(number)

    def shut_down_if_cancelled(self) -> None:
        """Called by the watch."""
        if not self.cancelled:
            return
        with self._lock:
            if self.cancelled:
                self.was_shut_down = True
                self._shut_down_all()

    def shut_down_if_stalled(self, now: float) -> None:
        """Called by the watch, with the time of the monotonic clock."""
        exchange = self._exchange
        if exchange is None:
            self._seen = (None, (0, 0), now)
            return
        progress = exchange.progress
        if self._seen[:2] != (exchange, progress):
            self._seen = (exchange, progress, now)
        answered = progress != (0, 0)
        limit = self._idle if answered else self._first_byte
        if now - (self._seen[2] if answered else exchange.started) < limit:
            return
        with self._lock:
            if self._exchange is exchange and exchange.progress == progress:
                exchange.stall_seconds = limit
                self._shut_down_all()

    def _shut_down_all(self) -> None:
        for number in self._sockets:
            _shut_down(number)


class SocketWatch:
    """The thread that watches all workers; `start` before the first fetch, `stop` after the last."""

    def __init__(self) -> None:
        self._workers: set[WorkerSockets] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="fetch-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """May be called twice, and without a start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10 * WATCH_INTERVAL)
            self._thread = None

    def add_worker(self, *, first_byte: float, idle: float) -> WorkerSockets:
        sockets = WorkerSockets(first_byte=first_byte, idle=idle)
        with self._lock:
            self._workers.add(sockets)
        return sockets

    def remove_worker(self, sockets: WorkerSockets) -> None:
        with self._lock:
            self._workers.discard(sockets)

    def _run(self) -> None:
        while not self._stopping.wait(WATCH_INTERVAL):
            with self._lock:
                workers = list(self._workers)
            now = time.monotonic()
            for sockets in workers:
                sockets.shut_down_if_cancelled()
                sockets.shut_down_if_stalled(now)


def _shut_down(number: int) -> None:
    borrowed = socket.socket(fileno=number)
    try:
        borrowed.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # not connected, or closed by the peer already
    finally:
        borrowed.detach()
