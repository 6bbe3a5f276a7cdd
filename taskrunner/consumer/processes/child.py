"""A child process of worker threads, and the parent's end of the socket to it."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from typing import cast

from taskrunner.consumer.processes.wire import Item, Order, Report, Unframer, frame

# Its start takes a quarter of a second; a machine in trouble may need a while for it.
START_PATIENCE = 30.0
# Its reading thread answers in no time, unless it is stopped or somebody keeps the interpreter lock.
PATIENCE = 10.0
# Between two checks we may have been stopped ourselves; so much of that is held against the child.
_STEP = 1.0
# A child whose socket is closed ends at once; one that does not is killed.
_END_WAIT = 1.0
_ANSWERS = (Report.READY, Report.CHECKED)
# The parent decides on the end, even where a signal is sent to the whole group.
_LEFT_TO_THE_PARENT = {signal.SIGINT, signal.SIGTERM}


class Child(asyncio.Protocol):
    """A started process; `hear` gets what it reports. It ends when it is killed, and with its parent."""

    def __init__(self, hear: Callable[["Child", Item], None]) -> None:
        self._hear = hear
        self._unframer = Unframer()
        self._transport: asyncio.Transport | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._lost = asyncio.Event()
        self._killed_for: str | None = None
        self.is_ready = False
        self.born = time.monotonic()
        # The factory is the first question, and that it is ready the answer.
        self._is_asked = True
        self._silence = 0.0
        self._checked_at = self.born

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self, factory: bytes, log_level: int) -> None:
        """Raises `OSError`."""
        ours, theirs = socket.socketpair()
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=ours)
            self._process = _spawn(theirs.fileno())
        finally:
            theirs.close()
        self.send(frame(Order.KIT, factory, log_level))

    def send(self, data: bytes) -> None:
        """What is under way is bounded by the attempts in flight, so nothing here waits."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def check(self) -> None:
        """Ask for a sign of life; a child that has given none for too long is killed."""
        now = time.monotonic()
        self._silence += min(now - self._checked_at, _STEP)
        self._checked_at = now
        patience = PATIENCE if self.is_ready else START_PATIENCE
        if not self._is_asked:
            self._is_asked = True
            self._silence = 0.0
            self.send(frame(Order.CHECK))
        elif self._silence > patience:
            self.kill(f"no answer for {patience:g} s")

    def kill(self, reason: str | None = None) -> None:
        """Safe at any time, and for one that is dead."""
        if self._killed_for is None:
            self._killed_for = reason
        if self._process is not None:
            self._process.kill()
        if self._transport is not None:
            self._transport.abort()

    async def wait(self) -> str:
        """Return when it has ended, with the cause."""
        await self._lost.wait()
        if self._process is None:
            return "it was not started"
        exit_code = await asyncio.to_thread(_reap, self._process)
        return self._killed_for or _cause(exit_code)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        for item in self._unframer.feed(data):
            if item[0] in _ANSWERS:
                self.is_ready = True
                self._is_asked = False
            self._hear(self, item)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost.set()


def _spawn(number: int) -> "subprocess.Popen[bytes]":
    # The same places to import from as ours, and not the working directory in addition.
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    # Blocked here, so that the child is born with them blocked, and stays so.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _LEFT_TO_THE_PARENT)
    try:
        return subprocess.Popen(  # noqa: S603 - our own module
            [
                sys.executable,
                "-P",
                "-m",
                "taskrunner.consumer.processes.child_main",
                str(number),
                str(os.getpid()),
            ],
            pass_fds=(number,),
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
