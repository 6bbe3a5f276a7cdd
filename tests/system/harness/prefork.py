"""A process that has imported taskrunner already, and forks the processes that tests start.

The imports take up to a second of processor time, and system tests start hundreds. Each is a process of its
own, with its environment, streams and signals. `dev`, commands of a shell and other launchers start from
nothing.
"""

import gc
import importlib
import json
import os
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from servers.process import end_with_parent

from taskrunner.cli.main import COMMANDS, main
from tests.tools.waiting import PATIENCE

# With the modules of all commands: what some settings ask for.
_IMPORTED = (
    "taskrunner.brokers.rabbitmq.broker",
    "taskrunner.stores.redis.store",
    "taskrunner.stores.sql.store",
)
_MOST_BYTES = 1_000_000


class ForkedProcess:
    """What tests use of a `subprocess.Popen`. Its pid is not reused before `wait` or `poll` saw its end."""

    def __init__(self, words: Sequence[str], pid: int, server: "Prefork") -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._words = words
        self._server = server
        self._pidfd = os.pidfd_open(pid)
        self._reaping = threading.Lock()

    def poll(self) -> int | None:
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            ended = select.poll()
            ended.register(self._pidfd, select.POLLIN)
            if not ended.poll(None if timeout is None else timeout * 1000):
                raise subprocess.TimeoutExpired(list(self._words), timeout or 0.0)
            with self._reaping:
                if self.returncode is None:
                    self.returncode = self._server.ask({"reap": self.pid})
                    os.close(self._pidfd)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with self._reaping, suppress(ProcessLookupError):
                if self.returncode is None:
                    signal.pidfd_send_signal(self._pidfd, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Prefork:
    """This side of it. The other one ends when the line between them is closed."""

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.settimeout(PATIENCE)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
                pass_fds=[theirs.fileno()],
            )

    def start(
        self,
        words: Sequence[str],
        *,
        env: Mapping[str, str],
        folder: Path,
        streams: tuple[int, int, int],
        descriptors: int | None = None,
    ) -> ForkedProcess:
        """Run `taskrunner WORDS` in `folder`; `descriptors` is its `ulimit -n`."""
        order = {"words": [*words], "env": {**env}, "folder": str(folder), "descriptors": descriptors}
        return ForkedProcess(words, self.ask(order, *streams), self)

    def ask(self, order: Mapping[str, Any], *streams: int) -> int:
        """Whatever goes wrong closes the line: a later order must not get the answer to this one."""
        with self._asking:
            try:
                socket.send_fds(self._line, [json.dumps(order).encode()], streams)
                message = self._line.recv(_MOST_BYTES)
                assert message, f"the process that forks has ended with {self._process.wait()}"
            except BaseException:
                self._line.close()
                raise
        answer = json.loads(message)
        if (number := answer.get("error")) is not None:
            raise OSError(number, os.strerror(number))
        return int(answer["value"])

    @property
    def is_usable(self) -> bool:
        return self._line.fileno() >= 0


_latest: list[Prefork] = []


def prefork() -> Prefork:
    """That of this process, or a new one if its line was closed; it ends when this process does."""
    if not _latest or not _latest[-1].is_usable:
        _latest[:] = [Prefork()]
    return _latest[-1]


def _serve(line: socket.socket) -> None:
    """Answer orders until the line is closed. Returns in each forked process, too, to run its command."""
    while True:
        message, streams, _, _ = socket.recv_fds(line, _MOST_BYTES, 3)
        if not message:
            raise SystemExit
        order = json.loads(message)
        if (ended := order.get("reap")) is not None:
            _, status = os.waitpid(ended, 0)
            _answer(line, value=os.waitstatus_to_exitcode(status))
            continue
        try:
            pid = os.fork()
        except OSError as exc:
            _answer(line, error=exc.errno)
        else:
            if pid == 0:
                line.close()
                _become(order, streams)
                return
            _answer(line, value=pid)
        for stream in streams:
            os.close(stream)


def _answer(line: socket.socket, **answer: int | None) -> None:
    try:
        line.send(json.dumps(answer).encode())
    except BrokenPipeError:
        raise SystemExit from None  # whoever asked has closed the line


def _become(order: Mapping[str, Any], streams: Sequence[int]) -> None:
    end_with_parent()
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["folder"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    paths = (order["folder"], *order["env"].get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:1] = [path for path in paths if path and path not in sys.path[1:]]
    sys.argv[1:] = order["words"]
    if (most := order["descriptors"]) is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    for module in (*(f"taskrunner.cli.{name}" for name, _ in COMMANDS.values()), *_IMPORTED):
        importlib.import_module(module)
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    main(prog_name="taskrunner")
