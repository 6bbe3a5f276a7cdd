"""The child process of a process: it runs what it is sent, and ends with its parent.

The main thread reads orders, worker threads carry them out, and the teller says what came of it.
Started as `python -m taskrunner.consumer.processes.child_main SOCKET PARENT`, see `child`.
"""

import ctypes
import logging
import os
import pickle
import signal
import socket
import sys

from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.processes.reply_sender import ReplySender
from taskrunner.consumer.processes.wire import Item, Order, Report, Unframer, frame
from taskrunner.consumer.worker_threads import WorkerThreads
from taskrunner.domain.codec import Decoder
from taskrunner.domain.outcome import Outcome
from taskrunner.domain.task import Task
from taskrunner.handlers.base import AttemptContext, HandlerFactory
from taskrunner.runtime.garbage_collection import collect_less_often

_TASK: Decoder[Task] = Decoder(Task)
_READ_BYTES = 256 * 1024
_PR_SET_PDEATHSIG = 1  # prctl(2)


class Host:
    """Worker threads behind a socket."""

    def __init__(self, sock: socket.socket, factory: HandlerFactory) -> None:
        self._threads: WorkerThreads[AssignedAttempt] = WorkerThreads(factory.make_handler, self._answer)
        self._flying: dict[int, AssignedAttempt] = {}
        self._teller = ReplySender(sock, is_busy=lambda: bool(self._flying))
        self._teller.start()

    def apply(self, item: Item) -> None:
        """Carry out one order of the parent; called in the main thread."""
        match item:
            case (Order.RUN, attempts):
                for ticket, attempt, lease_ends, cancelled, task in attempts:
                    context = AttemptContext(_TASK.unpack(task), attempt, cancelled)
                    assigned = AssignedAttempt(context, lease_ends, ticket=ticket)
                    self._flying[ticket] = assigned
                    self._threads.put(assigned)
            case (Order.RESIZE, target):
                self._threads.resize(target)
            case (Order.RENEW, tickets, lease_ends):
                for assigned in self._known(tickets):
                    assigned.lease_ends = lease_ends
            case (Order.CANCEL, tickets):
                for assigned in self._known(tickets):
                    assigned.context.cancelled = True
            case (Order.WITHDRAW,):
                taken = [assigned.ticket for assigned in self._threads.withdraw()]
                for ticket in taken:
                    self._flying.pop(ticket, None)
                self.report(frame(Report.WITHDRAWN, taken))
            case (Order.CHECK,):
                self._check()

    def report(self, answer: bytes) -> None:
        """Tell the parent; called in any thread."""
        self._teller.tell(answer)

    def _check(self) -> None:
        for worker, assigned in self._threads.write_off_overdue():
            assigned.ended = True
            self._flying.pop(assigned.ticket, None)
            self.report(
                frame(Report.WRITTEN_OFF, assigned.ticket, assigned.started, assigned.elapsed, worker)
            )
        self.report(frame(Report.CHECKED))

    def _known(self, tickets: list[int]) -> list[AssignedAttempt]:
        return [assigned for ticket in tickets if (assigned := self._flying.get(ticket)) is not None]

    def _answer(self, assigned: AssignedAttempt, outcome: Outcome) -> None:
        self._flying.pop(assigned.ticket, None)
        self._teller.tell((assigned, outcome))


class _Telling(logging.Handler):
    """Hands log records to the parent, so that one process writes the log."""

    def __init__(self, host: Host) -> None:
        super().__init__()
        self._host = host

    def emit(self, record: logging.LogRecord) -> None:
        self._host.report(frame(Report.LOGGED, record.name, record.levelno, self.format(record)))


def main(number: int, parent: int) -> None:
    _end_with(parent)
    collect_less_often()
    sock = socket.socket(fileno=number)
    unframer = Unframer()
    host: Host | None = None
    while data := _receive(sock):
        for item in unframer.feed(data):
            if host is None:
                host = _begin(sock, item)
            else:
                host.apply(item)
    os._exit(0)


def _end_with(parent: int) -> None:
    """The end of the socket is what ends us; this is for a process that is stopped, or stuck in a library."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _begin(sock: socket.socket, item: Item) -> Host:
    _, pickled, log_level = item
    factory: HandlerFactory = pickle.loads(pickled)  # noqa: S301 - from our own parent
    host = Host(sock, factory)
    logging.basicConfig(level=log_level, format="%(message)s", handlers=[_Telling(host)])
    factory.start()
    host.report(frame(Report.READY))
    return host


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_READ_BYTES)
    except OSError:
        return b""


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
