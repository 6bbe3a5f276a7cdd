"""ReplySender sends a child's replies to its parent, several outcomes in one frame.

Sending a frame, and waking the parent by it, costs as much for one outcome as for ten. So while other
attempts run, an outcome waits for a moment; measured, short tasks become a tenth cheaper in both processes.
"""

import os
import socket
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from taskrunner.consumer.processes.wire import Frame, Reply, encode_frame
from taskrunner.consumer.worker_threads import AssignedAttempt
from taskrunner.domain.codec import pack
from taskrunner.domain.tasks.outcome import Outcome

# Seconds for which an outcome waits for others.
_GATHER = 0.004
# About the largest frame of outcomes; each may hold a body.
_FRAME_BYTES = 256 * 1024


class ReplySender:
    """Sends everything in order. `is_busy`: whether more outcomes will come soon."""

    def __init__(self, sock: socket.socket, is_busy: Callable[[], bool]) -> None:
        self._sock = sock
        self._is_busy = is_busy
        self._outbox: SimpleQueue[bytes | tuple[AssignedAttempt, Outcome]] = SimpleQueue()

    def start(self) -> None:
        threading.Thread(target=self._run, name="reply-sender", daemon=True).start()

    @property
    def waiting(self) -> int:
        """How many replies are not sent yet, about."""
        return self._outbox.qsize()

    def send(self, reply: bytes | tuple[AssignedAttempt, Outcome]) -> None:
        """Send a frame, or the outcome of an attempt; called in any thread."""
        self._outbox.put(reply)

    def _run(self) -> None:
        try:
            while True:
                self._send_waiting()
        finally:
            os._exit(1)  # a process that cannot reply must be replaced now, not after its silence

    def _send_waiting(self) -> None:
        """A function of its own, so that no local variable keeps a body between two turns."""
        replies = [self._outbox.get()]
        if self._is_busy():
            time.sleep(_GATHER)
        # No other thread takes from the outbox.
        while not self._outbox.empty():
            replies.append(self._outbox.get())
        outcomes: list[Frame] = []
        size_bytes = 0
        for reply in replies:
            if isinstance(reply, bytes):
                self._write_outcomes(outcomes)
                self._write(reply)
                continue
            attempt, outcome = reply
            outcomes.append((attempt.ticket, attempt.started, attempt.elapsed, pack(outcome)))
            size_bytes += 0 if outcome.response is None else len(outcome.response.body)
            if size_bytes >= _FRAME_BYTES:
                self._write_outcomes(outcomes)
                size_bytes = 0
        self._write_outcomes(outcomes)

    def _write_outcomes(self, outcomes: list[Frame]) -> None:
        if outcomes:
            self._write(encode_frame(Reply.FINISHED, outcomes))
            outcomes.clear()

    def _write(self, frame: bytes) -> None:
        try:
            self._sock.sendall(frame)
        except OSError:
            os._exit(0)  # the parent is gone
