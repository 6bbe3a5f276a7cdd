"""Detached processes that outlive the command that started them and are never mistaken for others.

Law: no signal is sent to a pid before its start time is compared, because pids are reused.
"""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

POLL_INTERVAL = 0.02
_GONE = -1
_LIBC = ctypes.CDLL(None)
_PR_SET_PDEATHSIG = 1  # prctl(2)

# The shell forks the program and exits, so the program is not our child: a test that restarts a server keeps
# no zombie, and a test that counts its children sees only its own.
_DETACH = 'log=$1; shift; "$@" </dev/null >>"$log" 2>&1 & echo $!'


class ServerFailed(Exception):
    """A server did not start, did not stop, or is unknown; the message contains the end of its log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process by pid and start time, in clock ticks since boot (None without /proc)."""

    pid: int
    started: int | None

    @classmethod
    def known_by(cls, pid: int) -> "Process":
        """The process that now has this pid."""
        return cls(pid=pid, started=_start_time(pid))

    @property
    def is_running(self) -> bool:
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass
        return self.started is None or self.started == _start_time(self.pid) != _GONE

    def send(self, number: signal.Signals) -> None:
        """Send the process a signal; nothing happens if it has ended."""
        if self.is_running:
            os.kill(self.pid, number)

    def end(self, number: signal.Signals, *, within: float) -> None:
        """Signal the process and wait for its end; SIGKILL follows after `within` seconds."""
        self.send(number)
        if not self._wait(within):
            self.send(signal.SIGKILL)
            if not self._wait(60.0):
                raise ServerFailed(f"process {self.pid} does not end, not even by SIGKILL")

    def _wait(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        while self.is_running:
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_INTERVAL)
        return True


def launch(
    command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path, user: str | None = None
) -> Process:
    """Start `command` in a new session, as `user` if given, and append its output to `log`."""
    done = subprocess.run(
        ["/bin/sh", "-c", _DETACH, "sh", str(log), *command],
        env=env,
        cwd=cwd,
        stdout=subprocess.PIPE,
        start_new_session=True,
        check=True,
        user=user,
        group=_group(user),
        extra_groups=[] if user else None,
    )
    return Process.known_by(int(done.stdout))


def end_with_parent(number: signal.Signals = signal.SIGKILL) -> None:
    """For `preexec_fn`: the child gets this signal when the thread that started it ends, for whatever reason.

    Does nothing except on Linux.
    """
    if sys.platform == "linux":
        _LIBC.prctl(_PR_SET_PDEATHSIG, number)


def run_quietly(
    command: Sequence[str], *, log: Path, env: Mapping[str, str], user: str | None = None
) -> None:
    """Run `command` with its output in `log`; raises `ServerFailed` with that output if it fails."""
    with log.open("ab") as output:
        done = subprocess.run(
            command,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            user=user,
            group=_group(user),
            extra_groups=[] if user else None,
        )
    if done.returncode:
        raise ServerFailed(f"{command[0]} failed with exit code {done.returncode}:\n{tail(log)}")


def tail(log: Path, lines: int = 30) -> str:
    """The end of a log, indented, or a note that there is none."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return f"    (no log at {log})"
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:]) or f"    ({log} is empty)"


def _group(user: str | None) -> int | None:
    return pwd.getpwnam(user).pw_gid if user else None


def _start_time(pid: int) -> int | None:
    """Field 22 of /proc/PID/stat; `_GONE` for an ended process or a zombie; None without /proc.

    The first thread may be a zombie while another still ends (field 20 counts them), and keeps the ports.
    """
    if not Path("/proc/self/stat").exists():
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return _GONE
    fields = stat.rpartition(")")[2].split()
    return _GONE if fields[0] in "ZX" and int(fields[17]) <= 1 else int(fields[19])
