"""The contenders that are not ours: Celery, Dramatiq and BullMQ, installed on demand from locks."""

import hashlib
import sys
from pathlib import Path

from harness.backends import Backends
from harness.child import Child, ChildFailed, run
from harness.contender import SLOTS, Contender

_BENCH = Path(__file__).parents[1]
_PEERS = _BENCH / "peers"
_VENV = _BENCH / ".venv"
_BULLMQ = _PEERS / "bullmq"


class OnRabbitMQ(Contender):
    """A Python program of `peers/`: a process with a thread per slot, on RabbitMQ, results in Redis."""

    share = 0.25
    program: str
    queue: str

    def __init__(self, backends: Backends, folder: Path) -> None:
        self._backends = backends
        self._log = folder / f"{self.program}.log"

    def prepare(self) -> None:
        lock = _PEERS / "requirements.txt"
        if is_installed(_VENV, lock):
            return
        run([sys.executable, "-m", "venv", "--clear", str(_VENV)], log=self._log)
        install = [str(_VENV / "bin" / "pip"), "install", "--quiet", "--require-hashes", "-r", str(lock)]
        run(install, log=self._log)
        mark_installed(_VENV, lock)

    def preload(self, pattern: str, tasks: int) -> None:
        program = [str(_VENV / "bin" / "python"), str(_PEERS / f"{self.program}.py"), pattern, str(tasks)]
        run(program, log=self._log)
        if (depth := self._backends.depth(self.queue)) != tasks:
            raise ChildFailed(f"{self.name} queued {depth} of {tasks} tasks")

    def stored(self) -> int:
        return int(self._backends.redis.dbsize())


class Dramatiq(OnRabbitMQ):
    """As its command starts it."""

    name, program, queue = "Dramatiq", "dramatiq_app", "bench-dramatiq"

    def consume(self) -> Child:
        size = ["--processes", "1", "--threads", str(SLOTS)]
        return Child(
            [str(_VENV / "bin" / "dramatiq"), self.program, "--path", str(_PEERS), *size], log=self._log
        )


class Celery(OnRabbitMQ):
    """Its worker on the pool of threads."""

    name, program, queue = "Celery", "celery_app", "bench-celery"

    def consume(self) -> Child:
        size = ["--pool", "threads", "--concurrency", str(SLOTS), "--loglevel", "warning"]
        quiet = ["--without-gossip", "--without-mingle"]
        command = [str(_VENV / "bin" / "celery"), "-A", self.program, "worker", *size, *quiet]
        return Child(command, log=self._log, cwd=_PEERS)


class BullMQ(Contender):
    """One Node process, queue and results in Redis, undici as client."""

    name = "BullMQ"

    def __init__(self, backends: Backends, folder: Path) -> None:
        self._backends = backends
        self._log = folder / "bullmq.log"

    def prepare(self) -> None:
        modules, lock = _BULLMQ / "node_modules", _BULLMQ / "package-lock.json"
        if is_installed(modules, lock):
            return
        install = ["npm", "ci", "--prefix", str(_BULLMQ), "--ignore-scripts", "--no-audit", "--no-fund"]
        run(install, log=self._log)
        mark_installed(modules, lock)

    def preload(self, pattern: str, tasks: int) -> None:
        run(["node", str(_BULLMQ / "worker.mjs"), "preload", pattern, str(tasks)], log=self._log)
        if (depth := int(self._backends.redis.llen("bull:bench:wait"))) != tasks:
            raise ChildFailed(f"BullMQ queued {depth} of {tasks} tasks")

    def consume(self) -> Child:
        program = ["node", str(_BULLMQ / "worker.mjs"), "work", str(SLOTS)]
        return Child(program, log=self._log, env={"NODE_ENV": "production"})

    def stored(self) -> int:
        return int(self._backends.redis.zcard("bull:bench:completed"))


def is_installed(folder: Path, lock: Path) -> bool:
    """Whether `folder` was filled from exactly this lock file."""
    stamp = folder / ".lock-digest"
    return stamp.exists() and stamp.read_text() == _digest(lock)


def mark_installed(folder: Path, lock: Path) -> None:
    (folder / ".lock-digest").write_text(_digest(lock))


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
