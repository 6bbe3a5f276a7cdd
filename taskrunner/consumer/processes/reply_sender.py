"""The teller sends what workers answer, a few at a time.

To send, and to be woken by it in the parent, costs as much for one answer as for ten. So while other attempts
run, an answer waits for a moment; measured, that makes short tasks a tenth cheaper in both processes.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.processes.wire import Item, Report, frame
from taskrunner.domain.codec import pack
from taskrunner.domain.outcome import Outcome

# Seconds for which an answer waits for others.
_GATHER = 0.004
# Answers of one frame, about; each may hold a body.
_FRAME_BYTES = 256 * 1024


class ReplySender:
    """Says all that the parent is to hear, in order. `is_busy`: whether more answers will come soon."""

    def __init__(self, sock: socket.socket, is_busy: Callable[[], bool]) -> None:
        self._sock = sock
        self._is_busy = is_busy
        self._outbox: SimpleQueue[bytes | tuple[AssignedAttempt, Outcome]] = SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="teller", daemon=True).start()

    def tell(self, said: bytes | tuple[AssignedAttempt, Outcome]) -> None:
        """A frame, or what an attempt came to; called in any thread."""
        self._outbox.put(said)

    def _run(self) -> None:
        try:
            while True:
                self._turn()
        finally:
            os._exit(1)  # a process that cannot answer is to be replaced now, not when it is missed

    def _turn(self) -> None:
        """A call of its own, so that no body outlives it here."""
        said = [self._outbox.get()]
        if self._is_busy():
            time.sleep(_GATHER)
        # Nobody else takes from it.
        while not self._outbox.empty():
            said.append(self._outbox.get())
        answers: list[Item] = []
        size_bytes = 0
        for each in said:
            if isinstance(each, bytes):
                self._send_answers(answers)
                self._send(each)
                continue
            assigned, outcome = each
            answers.append((assigned.ticket, assigned.started, assigned.elapsed, pack(outcome)))
            size_bytes += 0 if outcome.response is None else len(outcome.response.body)
            if size_bytes >= _FRAME_BYTES:
                self._send_answers(answers)
                size_bytes = 0
        self._send_answers(answers)

    def _send_answers(self, answers: list[Item]) -> None:
        if answers:
            self._send(frame(Report.ENDED, answers))
            answers.clear()

    def _send(self, said: bytes) -> None:
        try:
            self._sock.sendall(said)
        except OSError:
            os._exit(0)  # the parent is gone
