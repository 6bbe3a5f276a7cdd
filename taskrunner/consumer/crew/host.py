"""The child process of a crew: it runs what it is sent, and ends with its parent.

The main thread reads orders, worker threads carry them out, and the teller says what came of it.
Started as `python -m taskrunner.consumer.crew.host SOCKET PARENT`, see `child`.
"""

import ctypes
import logging
import os
import pickle
import signal
import socket
import sys

from taskrunner.consumer.crew.teller import Teller
from taskrunner.consumer.crew.wire import Item, Order, Report, Unframer, frame, unpack_task
from taskrunner.consumer.stint import Stint
from taskrunner.consumer.threads import Threads
from taskrunner.domain.outcome import Outcome
from taskrunner.handlers.base import Attempting, HandlerKit
from taskrunner.runtime.garbage import collect_seldom

_READ_BYTES = 256 * 1024
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Host:
    """Worker threads behind a socket."""

    def __init__(self, sock: socket.socket, kit: HandlerKit) -> None:
        self._threads: Threads[Stint] = Threads(kit.make_handler, self._answer)
        self._flying: dict[int, Stint] = {}
        self._teller = Teller(sock, is_busy=lambda: bool(self._flying))
        self._teller.start()

    def obey(self, item: Item) -> None:
        """Carry out one order of the parent; called in the main thread."""
        match item:
            case (Order.RUN, attempts):
                for ticket, attempt, lease_ends, cancelled, task in attempts:
                    attempting = Attempting(unpack_task(task), attempt, cancelled)
                    stint = Stint(attempting, lease_ends, ticket=ticket)
                    self._flying[ticket] = stint
                    self._threads.put(stint)
            case (Order.RESIZE, target):
                self._threads.resize(target)
            case (Order.RENEW, tickets, lease_ends):
                for stint in self._known(tickets):
                    stint.lease_ends = lease_ends
            case (Order.CANCEL, tickets):
                for stint in self._known(tickets):
                    stint.attempting.cancelled = True
            case (Order.WITHDRAW,):
                taken = [stint.ticket for stint in self._threads.withdraw()]
                for ticket in taken:
                    self._flying.pop(ticket, None)
                self.report(frame(Report.WITHDRAWN, taken))
            case (Order.CHECK,):
                self._check()

    def report(self, answer: bytes) -> None:
        """Tell the parent; called in any thread."""
        self._teller.tell(answer)

    def _check(self) -> None:
        for worker, stint in self._threads.write_off_overdue():
            stint.ended = True
            self._flying.pop(stint.ticket, None)
            self.report(frame(Report.WRITTEN_OFF, stint.ticket, stint.started, stint.elapsed, worker))
        self.report(frame(Report.CHECKED))

    def _known(self, tickets: list[int]) -> list[Stint]:
        return [stint for ticket in tickets if (stint := self._flying.get(ticket)) is not None]

    def _answer(self, stint: Stint, outcome: Outcome) -> None:
        self._flying.pop(stint.ticket, None)
        self._teller.tell((stint, outcome))


class _Telling(logging.Handler):
    """Hands log records to the parent, so that one process writes the log."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        self._host.report(frame(Report.LOGGED, record.name, record.levelno, self.format(record)))


def main(number: int, parent: int) -> None:
    _end_with(parent)
    collect_seldom()
    sock = socket.socket(fileno=number)
    unframer = Unframer()
    host: Host | None = None
    while data := _receive(sock):
        for item in unframer.feed(data):
            if host is None:
                host = _begin(sock, item)
            else:
                host.obey(item)
    os._exit(0)


def _end_with(parent: int) -> None:
    """The end of the socket is what ends us; this is for a process that is stopped, or stuck in a library."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _begin(sock: socket.socket, item: Item) -> Host:
    _, pickled, log_level = item
    kit: HandlerKit = pickle.loads(pickled)  # noqa: S301 - from our own parent
    host = Host(sock, kit)
    logging.basicConfig(level=log_level, format="%(message)s", handlers=[_Telling(host)])
    kit.start()
    host.report(frame(Report.READY))
    return host


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_READ_BYTES)
    except OSError:
        return b""


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
