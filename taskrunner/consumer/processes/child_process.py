"""ChildProcess: a process of worker threads, and the parent's end of the socket to it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import cast

from taskrunner.consumer.processes.wire import Frame, FrameReader, Reply, WireCommand, encode_frame
from taskrunner.handlers.python.manifest import IMPORT_PATIENCE

# A start takes a quarter of a second; a machine in trouble may need a while. All children import the modules
# of handlers at once, each of which had this long by itself.
START_PATIENCE = 2 * IMPORT_PATIENCE
# The child's main thread answers at once, unless it is stopped or something keeps the interpreter lock.
PATIENCE = 10.0
# The parent may have been stopped between two checks; at most this much of the time counts as silence.
_STEP = 1.0
# A child whose socket is closed ends as soon as its handlers have released what they share; one that does not
# is killed after this many seconds.
_END_WAIT = 2.0
_SIGNS_OF_LIFE = (Reply.READY, Reply.CHECKED)
# The parent decides on the end, even where a signal is sent to the whole process group.
_BLOCKED_SIGNALS = {signal.SIGINT, signal.SIGTERM}


class ChildProcess(asyncio.Protocol):
    """`on_reply` gets each frame. The child ends when it is killed, and with its parent."""

    def __init__(self, on_reply: Callable[["ChildProcess", Frame], None]) -> None:
        self._on_reply = on_reply
        self._reader = FrameReader()
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lost = asyncio.Event()
        self._killed_for: str | None = None
        self.is_ready = False
        self.started_at = time.monotonic()
        # The start is the first question, and the child answers it once it is ready.
        self._is_asked = True
        self._silence = 0.0
        self._checked_at = self.started_at

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self, factory: bytes, log_levels: tuple[int, int]) -> None:
        """Raises `OSError`."""
        ours, theirs = socket.socketpair()
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
            self._process = _spawn(theirs.fileno())
        finally:
            theirs.close()
        self.send(encode_frame(WireCommand.START, factory, *log_levels))

    def send(self, data: bytes) -> None:
        """Waits for nothing: the attempts in flight bound what can be in the buffer."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def check(self) -> None:
        """Ask for a sign of life; kill a child that has given none for too long."""
        now = time.monotonic()
        self._silence += min(now - self._checked_at, _STEP)
        self._checked_at = now
        patience = PATIENCE if self.is_ready else START_PATIENCE
        if not self._is_asked:
            self._is_asked = True
            self._silence = 0.0
            self.send(encode_frame(WireCommand.CHECK))
        elif self._silence > patience:
            self.kill(f"no answer for {patience:g} s")

    def end(self) -> None:
        """Have the child release what it holds and end; `wait` kills one that does not. Safe at any time."""
        if self._transport is not None and self.is_ready:
            self._transport.close()
        else:
            self.kill()

    def kill(self, reason: str | None = None) -> None:
        """Safe at any time, also for a dead child."""
        if self._killed_for is None:
            self._killed_for = reason
        if self._process is not None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    async def wait(self) -> str:
        """Return when the child has ended, with the cause."""
        await self._lost.wait()
        if self._process is None:
            return "it was not started"
        exit_code = await asyncio.to_thread(_reap, self._process)
        return self._killed_for or _cause(exit_code)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for frame in self._reader.feed(data):
            if frame[0] in _SIGNS_OF_LIFE:
                self.is_ready = True
                self._is_asked = False
            self._on_reply(self, frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()


def _spawn(socket_number: int) -> "subprocess.Popen[bytes]":
    # The same import paths as ours, without adding the working directory.
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    module = "taskrunner.consumer.processes.child_main"
    # Blocked here, so that the child is born with them blocked.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _BLOCKED_SIGNALS)
    try:
        return subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-P", "-m", module, str(socket_number), str(os.getpid())],
            pass_fds=(socket_number,),
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _reap(process: "subprocess.Popen[bytes]") -> int:
    """Wait for a process whose socket is closed; called in a thread of its own."""
    try:
        return process.wait(_END_WAIT)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _cause(exit_code: int) -> str:
    return f"signal {signal.Signals(-exit_code).name}" if exit_code < 0 else f"exit code {exit_code}"
