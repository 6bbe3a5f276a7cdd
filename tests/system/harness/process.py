"""A taskrunner process: started with its configuration in the environment, watched, and ended by signals."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from servers.process import end_with_parent

from tests.system.harness.http import Answer, Client
from tests.system.harness.prefork import ForkedProcess, prefork
from tests.tools.waiting import PATIENCE, wait_for

_ROOT = Path(__file__).parents[3]
_OURS = ("taskrunner",)
_FORKED = frozenset({"serve", "consume", "all"})


def environment(settings: Mapping[str, object]) -> dict[str, str]:
    """The environment with `settings` such as {"WORKERS__LEASE": 5}, without an operator's variables."""
    foreign = ("TASKRUNNER_", "RABBITMQ_", "REDIS_", "WORKER_", "OUTBOX_", "RETRY_", "MAX_RETRIES")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    # Its port is one for all; a test of gRPC names its own.
    quiet = {"GRPC__ENABLED": False, **settings}
    told = {f"TASKRUNNER_{name}": str(value) for name, value in quiet.items()}
    return {**kept, "PYTHONPATH": str(_ROOT), **told}


def command(*words: str, launcher: Sequence[str] = _OURS) -> list[str]:
    """`launcher` is a module, with its own words, that ends in our command line; tests have patched ones."""
    return [sys.executable, "-m", *launcher, *words]


def run(
    folder: Path,
    settings: Mapping[str, object],
    *words: str,
    given: str = "",
    before: Callable[[], None] | None = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a command of taskrunner to its end, in `folder`; `before` is called in the child before that."""
    if before is None:
        return _run_forked(folder, environment(settings), words, given)
    return subprocess.run(
        command(*words),
        input=given,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=environment(settings),
        cwd=folder,
        preexec_fn=before,
    )


def _run_forked(
    folder: Path, env: Mapping[str, str], words: Sequence[str], given: str
) -> "subprocess.CompletedProcess[str]":
    with TemporaryFile("w+") as asked, TemporaryFile("w+") as printed, TemporaryFile("w+") as told:
        asked.write(given)
        asked.seek(0)
        streams = (asked.fileno(), printed.fileno(), told.fileno())
        running = prefork().start(words, env=env, folder=folder, streams=streams)
        try:
            ended = running.wait(PATIENCE)
        finally:
            running.kill()
        printed.seek(0)
        told.seek(0)
        return subprocess.CompletedProcess(list(words), ended, printed.read(), told.read())


class TaskrunnerProcess:
    """A `serve` or `consume` that was started; its output is in `log`. `descriptors` is its `ulimit -n`."""

    def __init__(
        self,
        verb: str,
        *,
        port: int,
        log: Path,
        settings: Mapping[str, object],
        words: Sequence[str] = (),
        launcher: Sequence[str] = _OURS,
        descriptors: int | None = None,
    ) -> None:
        self.name = log.stem
        self.port = port
        self.log = log

        with log.open("ab") as output, open(os.devnull, "rb") as nothing:
            if verb in _FORKED and tuple(launcher) == _OURS:
                self.process: ForkedProcess | subprocess.Popen[bytes] = prefork().start(
                    (verb, *words),
                    env=environment(settings),
                    folder=log.parent,
                    streams=(nothing.fileno(), output.fileno(), output.fileno()),
                    descriptors=descriptors,
                )
                return
            self.process = subprocess.Popen(
                command(verb, *words, launcher=launcher),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment(settings),
                cwd=log.parent,
                preexec_fn=end_with_parent,
            )

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def get(self, path: str) -> Answer:
        with Client(self.port) as client:
            return client.get(path)

    def stats(self) -> Any:
        return self.get("/stats").json

    def try_get(self, path: str) -> Answer | None:
        """None when nobody answers."""
        try:
            return self.get(path)
        except OSError:
            return None

    def wait_ready(self, *, within: float = PATIENCE) -> "TaskrunnerProcess":
        """Return once `/readyz` answers 200; fails when the process ends instead."""
        wait_for(self._is_ready, f"{self.name} is ready", within=within)
        return self

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a crash: kill -9, and wait for the end."""
        self.process.kill()
        self.process.wait()

    def wait(self, within: float = PATIENCE) -> int:
        """The exit code of a process that is to end."""
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {within:g} s") from None

    def stop(self) -> int:
        """Stop the process by SIGTERM, by SIGKILL when that takes too long; returns the exit code."""
        if self.is_running:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
        try:
            return self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} did not end by SIGTERM") from None

    def logged(self) -> str:
        return self.log.read_text(errors="replace")

    def _is_ready(self) -> bool:
        assert self.is_running, f"{self.name} ended with {self.process.returncode}: {self.logged()[-2000:]}"
        answer = self.try_get("/readyz")
        return answer is not None and answer.status == 200
