"""Handlers: a backlog of tasks that run a function which does nothing, by each contender in turn."""

import json
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from harness.backends import Backends
from harness.bench import Bench, tell
from harness.child import Child, ChildFailed, run
from harness.contender import SLOTS, Contender
from harness.figures import Figure
from harness.http import free_port
from harness.ours import ROOT, Taskrunner

# In place of a URL: the peers know the word.
NOOP = "noop"
_TIMES_AS_FAST = {"BullMQ": 1.0, "Dramatiq": 5.0, "Celery": 3.0}
_WANTED_REMOTE = 3_000.0
_PATIENCE = 60.0
_LOOK_EVERY = 0.01


class NoopHandlers(Taskrunner):
    """`produce` and `consume --handlers` with a function that does nothing."""

    name = "taskrunner"

    def preload(self, pattern: str, tasks: int) -> None:
        """The executor is registered by the first start of a consumer."""
        with self.consume() as child:
            _wait(lambda: self._backends.redis.hexists("{taskrunner}:executors", NOOP), "registration", child)
        super().preload(pattern, tasks)

    def _settings(self, target_port: int) -> dict[str, Any]:
        settings = super()._settings(target_port)
        return {**settings, "Workers": {**settings["Workers"], "handlers": ["bench.noop_handlers"]}}


class RemoteHandlers(Taskrunner):
    """`produce`, `serve`, and a program that leases by batches."""

    name = "taskrunner, remote worker"

    def __init__(self, backends: Backends, folder: Path, target_port: int) -> None:
        self._address = f"127.0.0.1:{free_port()}"
        super().__init__(backends, folder, target_port)

    def preload(self, pattern: str, tasks: int) -> None:
        run(self._command("executors", "create", NOOP, "--kind", "remote"), log=self._log, cwd=ROOT)
        super().preload(pattern, tasks)

    def consume(self) -> Child:
        program = [sys.executable, str(ROOT / "bench" / "remote_worker.py"), self._address, str(SLOTS)]
        return Child(program, log=self._log, cwd=ROOT)

    def depth(self) -> int:
        return self._backends.depth(f"taskrunner.remote.{NOOP}")

    def _settings(self, target_port: int) -> dict[str, Any]:
        port = int(self._address.rpartition(":")[2])
        return {**super()._settings(target_port), "Grpc": {"port": port}}


def noop(bench: Bench) -> None:
    """The rate between the first result that is seen and the last."""
    folder = bench.folder / "handlers"
    folder.mkdir()
    ours = NoopHandlers(bench.backends, folder, bench.target.port)
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(bench.sizes.repeat):
        for contender in (ours, *(each for each in bench.contenders if each is not bench.ours)):
            rates[contender.name].append(_drain(bench, contender))
    for name, runs in rates.items():
        bench.figures.append(Figure(what=f"no-op: {name}", unit="tasks/s", runs=runs))
    for name, wanted in _TIMES_AS_FAST.items():
        if name in rates:
            ratios = [mine / theirs for mine, theirs in zip(rates[ours.name], rates[name], strict=True)]
            bench.figures.append(
                Figure(what=f"  taskrunner / {name}", unit="times", runs=ratios, at_least=wanted)
            )


def remote(bench: Bench) -> None:
    """The same by a `RemoteWorker` over gRPC, from one `serve`."""
    folder = bench.folder / "remote"
    folder.mkdir()
    ours, tasks, runs = RemoteHandlers(bench.backends, folder, bench.target.port), bench.sizes.drain, []
    for _ in range(bench.sizes.repeat):
        tell(f"{ours.name}: {tasks:,} tasks that do nothing")
        bench.backends.reset()
        ours.preload(json.dumps({"executor": NOOP}), tasks)
        with ours.serve(), ours.consume() as child:
            runs.append(_rate(ours, tasks, child))
    bench.figures.append(
        Figure(what=f"no-op: {ours.name}", unit="tasks/s", runs=runs, at_least=_WANTED_REMOTE)
    )


def _drain(bench: Bench, contender: Contender) -> float:
    tasks = int(bench.sizes.drain * contender.share)
    tell(f"{contender.name}: {tasks:,} tasks that do nothing")
    bench.backends.reset()
    pattern = json.dumps({"executor": NOOP}) if isinstance(contender, Taskrunner) else NOOP
    contender.preload(pattern, tasks)
    with contender.consume() as child:
        return _rate(contender, tasks, child)


def _rate(contender: Contender, tasks: int, child: Child) -> float:
    first = _wait(contender.stored, "the first result", child)
    began = time.monotonic()
    _wait(lambda: contender.stored() >= tasks, "the last result", child)
    seconds = time.monotonic() - began
    rate = (tasks - first) / seconds
    tell(f"  {rate:,.0f} tasks/s, {seconds:.2f} s")
    return rate


def _wait(look: Any, what: str, child: Child) -> int:
    deadline = time.monotonic() + _PATIENCE
    while not (found := look()):
        child.check()
        if time.monotonic() > deadline:
            raise ChildFailed(f"{what} did not come within {_PATIENCE:g} s")
        time.sleep(_LOOK_EVERY)
    return int(found)
