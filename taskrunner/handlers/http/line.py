"""The line: one worker's open sockets, and the watch that cuts them when an attempt is cancelled.

libcurl calls its progress function some eight times per fetch, each call taking the interpreter lock
(it halves the rate at 50 threads), and not at all while a name is resolved. So nothing is called at all:
a single thread for all workers looks four times a second at who is cancelled and shuts that worker's sockets
down, which ends every wait of libcurl at once.

Only this module shuts down sockets, and only under the line's lock, since a number that libcurl has closed
may be another file a moment later.
"""

import os
import socket
import threading

from taskrunner.handlers.base import Attempting

# A cancel is seen after at most this many seconds.
WATCH_INTERVAL = 0.25


class Line:
    """The sockets of one worker's handle, used by the worker's thread and by the watch."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._attempting: Attempting | None = None
        self._sockets: set[int] = set()
        self.was_cut = False

    def begin(self, attempting: Attempting) -> None:
        self.was_cut = False
        self._attempting = attempting

    def end(self) -> None:
        with self._lock:
            self._attempting = None

    @property
    def cancelled(self) -> bool:
        """Whether the attempt under way is to end."""
        attempting = self._attempting
        return attempting is not None and attempting.cancelled

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
                for number in self._sockets:
                    _shut_down(number)


class Watch:
    """The thread that looks after all lines; `start` before the first fetch, `stop` after the last."""

    def __init__(self) -> None:
        self._lines: set[Line] = set()
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

    def open_line(self) -> Line:
        line = Line()
        with self._lock:
            self._lines.add(line)
        return line

    def close_line(self, line: Line) -> None:
        with self._lock:
            self._lines.discard(line)

    def _run(self) -> None:
        while not self._stopping.wait(WATCH_INTERVAL):
            with self._lock:
                lines = list(self._lines)
            for line in lines:
                line.cut_if_cancelled()


def _shut_down(number: int) -> None:
    borrowed = socket.socket(fileno=number)
    try:
        borrowed.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # it was not connected, or the peer was faster
    finally:
        borrowed.detach()
