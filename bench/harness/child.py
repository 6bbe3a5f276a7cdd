"""A child process with its output in a file, which is gone when its owner leaves."""

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psutil

_STOPS_WITHIN = 60.0
_TAIL_LINES = 20


class ChildFailed(Exception):
    """A command ended with another exit code than 0, or when it should have gone on."""


class Child:
    """A running command, in a session of its own so that its own children can be ended with it."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        log: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: IO[bytes] | int = subprocess.DEVNULL,
        stdout: IO[bytes] | int | None = None,
    ) -> None:
        self._command = command
        self._log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=output if stdout is None else stdout,
                stderr=output,
                cwd=cwd,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        self._peak_rss_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def read_line(self) -> str:
        """The next line of its output; needs a pipe as `stdout`."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode().strip()
        if not line:
            self.check()
        return line

    def check(self) -> None:
        """Raises `ChildFailed` with the end of its log when it does not run any more."""
        if (code := self.process.poll()) is not None:
            raise ChildFailed(failure_text(self._command, code, self._log))

    def peak_rss_bytes(self) -> int:
        """The largest resident size seen by the calls so far, of the process with all its children."""
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            family = [parent, *parent.children(recursive=True)]
            self._peak_rss_bytes = max(self._peak_rss_bytes, sum(each.memory_info().rss for each in family))
        return self._peak_rss_bytes

    def cpu_seconds(self) -> float:
        """What the process has used so far, in all its threads."""
        used = psutil.Process(self.process.pid).cpu_times()
        return float(used.user + used.system)

    def stop(self) -> None:
        """Ask it to end; after a minute, end it with everything that it started."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(_STOPS_WITHIN)
        except subprocess.TimeoutExpired:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            if self.process.stdout is not None:
                self.process.stdout.close()


def run(
    command: Sequence[str],
    *,
    log: Path,
    cwd: Path | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int | None = None,
) -> None:
    """Run a command to its end; raises `ChildFailed`."""
    with Child(command, log=log, cwd=cwd, stdin=stdin, stdout=stdout) as child:
        code = child.process.wait()
    if code:
        raise ChildFailed(failure_text(command, code, log))


def failure_text(command: Sequence[str], code: int, log: Path) -> str:
    """What to tell about a command that failed: the command, its exit code, the end of its log."""
    tail = log.read_text(errors="replace").splitlines()[-_TAIL_LINES:]
    return "\n  ".join([f"{' '.join(command)}: exit code {code}; the end of its output:", *tail])
