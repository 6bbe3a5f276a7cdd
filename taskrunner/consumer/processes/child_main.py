"""The program of a child process: it runs the attempts that the parent sends, and ends with its parent.

The main thread reads commands, worker threads run attempts, and `ReplySender` sends the outcomes. Started as
`python -m taskrunner.consumer.processes.child_main SOCKET PARENT` by `child_process`.
"""

import ctypes
import logging
import os
import pickle
import signal
import socket
import sys
from functools import partial

from taskrunner.consumer.processes.parent_log import ParentLog
from taskrunner.consumer.processes.reply_sender import ReplySender
from taskrunner.consumer.processes.wire import Frame, FrameReader, Reply, WireCommand, encode_frame
from taskrunner.consumer.worker_threads import AssignedAttempt, WorkerThreads
from taskrunner.domain.codec import Decoder, storable
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_log import TASK_LOGGER
from taskrunner.handlers.base import HandlerFactory
from taskrunner.runtime.garbage_collection import collect_less_often

_TASK: Decoder[Task] = Decoder(Task)
_READ_BYTES = 256 * 1024
_PR_SET_PDEATHSIG = 1  # prctl(2)


class ChildWorkers:
    """Worker threads behind a socket."""

    def __init__(self, sock: socket.socket, factory: HandlerFactory) -> None:
        self._factory = factory
        self._threads: WorkerThreads[AssignedAttempt] = WorkerThreads(factory.make_handler, self._on_outcome)
        self._by_ticket: dict[int, AssignedAttempt] = {}
        self._sender = ReplySender(sock, is_busy=lambda: bool(self._by_ticket))
        self._sender.start()

    def execute(self, command: Frame) -> None:
        """Called in the main thread."""
        match command:
            case (WireCommand.RUN, attempts):
                for ticket, number, lease_ends, cancelled, task in attempts:
                    attempt = AssignedAttempt(
                        _TASK.unpack(task), number, cancelled, lease_ends=lease_ends, ticket=ticket
                    )
                    self._by_ticket[ticket] = attempt
                    self._threads.put(attempt)
            case (WireCommand.RESIZE, target):
                self._threads.resize(target)
            case (WireCommand.RENEW, tickets, lease_ends):
                for attempt in self._find(tickets):
                    attempt.lease_ends = lease_ends
            case (WireCommand.CANCEL, tickets):
                for attempt in self._find(tickets):
                    attempt.cancelled = True
            case (WireCommand.WITHDRAW,):
                taken = [attempt.ticket for attempt in self._threads.withdraw()]
                for ticket in taken:
                    self._by_ticket.pop(ticket, None)
                self.reply(Reply.WITHDRAWN, taken)
            case (WireCommand.CHECK,):
                self._check()
            case (WireCommand.ADOPT, pickled):
                self._factory.adopt(_unpickled(pickled))

    def close(self) -> None:
        """Release what the handlers share. Attempts that still run end with the process."""
        self._factory.stop()

    @property
    def unsent(self) -> int:
        """How many replies wait to be sent."""
        return self._sender.waiting

    def reply(self, kind: Reply, *fields: object) -> None:
        """Send a frame to the parent; called in any thread."""
        self._sender.send(encode_frame(kind, *fields))

    def _check(self) -> None:
        for worker, attempt in self._threads.write_off_overdue():
            attempt.ended = True
            self._by_ticket.pop(attempt.ticket, None)
            self.reply(Reply.WRITTEN_OFF, attempt.ticket, attempt.started, attempt.elapsed, worker)
        self._tell_progress()
        self.reply(Reply.CHECKED)

    def _tell_progress(self) -> None:
        news: list[Frame] = []
        for attempt in list(self._by_ticket.values()):
            progress = attempt.progress
            if progress is not None and progress is not attempt.told:
                attempt.told = progress
                news.append((attempt.ticket, progress.fraction, storable(progress.message)))
        if news:
            self.reply(Reply.PROGRESS, news)

    def _find(self, tickets: list[int]) -> list[AssignedAttempt]:
        return [attempt for ticket in tickets if (attempt := self._by_ticket.get(ticket)) is not None]

    def _on_outcome(self, attempt: AssignedAttempt, outcome: Outcome) -> None:
        self._by_ticket.pop(attempt.ticket, None)
        self._sender.send((attempt, outcome))


def main(socket_number: int, parent: int) -> None:
    _end_with(parent)
    collect_less_often()
    sock = socket.socket(fileno=socket_number)
    # A fork by a handler would keep the connection open after our end.
    os.register_at_fork(after_in_child=sock.close)
    reader = FrameReader()
    workers: ChildWorkers | None = None
    while data := _receive(sock):
        for command in reader.feed(data):
            if workers is None:
                workers = _start(sock, command)
            else:
                workers.execute(command)
    if workers is not None:
        workers.close()
    os._exit(0)


def _end_with(parent: int) -> None:
    """The end of the socket ends us; this is for a process that is stopped, or stuck in a library.

    The signals that end a parent do not end us. They have handlers that do nothing: a program that a handler
    of tasks starts would inherit that they are ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _start(sock: socket.socket, command: Frame) -> ChildWorkers:
    _, pickled, log_level, task_level = command
    factory = _unpickled(pickled)
    workers = ChildWorkers(sock, factory)
    log = ParentLog(partial(workers.reply, Reply.LOGGED), lambda: workers.unsent)
    logging.basicConfig(level=log_level, format="%(message)s", handlers=[log])
    logging.getLogger(TASK_LOGGER).setLevel(task_level)
    factory.start()
    workers.reply(Reply.READY)
    return workers


def _unpickled(pickled: bytes) -> HandlerFactory:
    factory: HandlerFactory = pickle.loads(pickled)  # noqa: S301 - from our own parent
    return factory


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(_READ_BYTES)
    except OSError:
        return b""


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
