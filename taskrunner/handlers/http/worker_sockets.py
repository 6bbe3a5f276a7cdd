"""The line: one worker's open sockets, and the watch that cuts them when an attempt is cancelled or stalls.

libcurl calls its progress function some eight times per fetch, each call taking the interpreter lock
(it halves the rate at 50 threads), and not at all while a name is resolved. So nothing is called at all:
a single thread for all workers looks four times a second at who is cancelled, or has waited too long for a
byte, and shuts that worker's sockets down, which ends every wait of libcurl at once.

Only this module shuts down sockets, and only under the line's lock, since a number that libcurl has closed
may be another file a moment later.
"""

import os
import socket
import threading
import time

from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.exchange import Exchange

# A cancel or a stall is seen after at most this many seconds.
WATCH_INTERVAL = 0.25


class WorkerSockets:
    """The sockets of one worker's handle, used by the worker's thread and by the watch.

    `first_byte` seconds after its start a exchange must have got the first byte of an answer, and from then
    on one every `idle` seconds.
    """

    def __init__(self, *, first_byte: float, idle: float) -> None:
        self._first_byte = first_byte
        self._idle = idle
        self._lock = threading.Lock()
        self._attempting: AttemptContext | None = None
        self._exchange: Exchange | None = None
        # What the watch saw last: of which exchange, how far it was, and since when.
        self._seen: tuple[Exchange | None, tuple[int, int], float] = (None, (0, 0), 0.0)
        self._sockets: set[int] = set()
        self.was_cut = False

    def begin(self, context: AttemptContext) -> None:
        self.was_cut = False
        self._attempting = context

    def end(self) -> None:
        with self._lock:
            self._attempting = None

    @property
    def cancelled(self) -> bool:
        """Whether the attempt under way is to end."""
        context = self._attempting
        return context is not None and context.cancelled

    def begin_exchange(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def end_exchange(self) -> None:
        with self._lock:
            self._exchange = None

    def add(self, number: int) -> None:
        with self._lock:
            self._sockets.add(number)

    def close_socket(self, number: int) -> None:
        with self._lock:
            self._sockets.discard(number)
            os.close(number)

    def cut_if_cancelled(self) -> None:
        """Called by the watch: end the attempt under way if that is wanted."""
        if not self.cancelled:
            return
        with self._lock:
            if self.cancelled:
                self.was_cut = True
                self._shut_down()

    def cut_if_stalled(self, now: float) -> None:
        """Called by the watch, at `now` by the monotonic clock: end the exchange under way if it waits in
        vain.
        """
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
                exchange.stalled = limit
                self._shut_down()

    def cut_socket(self, number: int) -> None:
        """Make sure that a connection is not used again; one that is closed already does no harm."""
        with self._lock:
            if number in self._sockets:
                _shut_down(number)

    def _shut_down(self) -> None:
        for number in self._sockets:
            _shut_down(number)


class SocketWatch:
    """The thread that looks after all lines; `start` before the first fetch, `stop` after the last."""

    def __init__(self) -> None:
        self._lines: set[WorkerSockets] = set()
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="fetch-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Safe to call twice, and without a start."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(timeout=10 * WATCH_INTERVAL)
            self._thread = None

    def open_sockets(self, *, first_byte: float, idle: float) -> WorkerSockets:
        line = WorkerSockets(first_byte=first_byte, idle=idle)
        with self._lock:
            self._lines.add(line)
        return line

    def close_sockets(self, line: WorkerSockets) -> None:
        with self._lock:
            self._lines.discard(line)

    def _run(self) -> None:
        while not self._stopping.wait(WATCH_INTERVAL):
            with self._lock:
                lines = list(self._lines)
            now = time.monotonic()
            for line in lines:
                line.cut_if_cancelled()
                line.cut_if_stalled(now)


def _shut_down(number: int) -> None:
    borrowed = socket.socket(fileno=number)
    try:
        borrowed.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was not connected, or the peer was faster
    finally:
        borrowed.detach()
