"""Handlers: a backlog of tasks that run a function which does nothing, by each contender in turn."""

import json
import time
from collections import defaultdict
from typing import Any

from harness.bench import Bench, tell
from harness.child import Child, ChildFailed
from harness.contender import Contender
from harness.figures import Figure
from harness.ours import Taskrunner

# In place of a URL: the peers know the word.
NOOP = "noop"
_TIMES_AS_FAST = {"BullMQ": 1.0, "Dramatiq": 5.0, "Celery": 3.0}
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


def _drain(bench: Bench, contender: Contender) -> float:
    tasks = int(bench.sizes.drain * contender.share)
    tell(f"{contender.name}: {tasks:,} tasks that do nothing")
    bench.backends.reset()
    pattern = json.dumps({"executor": NOOP}) if isinstance(contender, Taskrunner) else NOOP
    contender.preload(pattern, tasks)
    with contender.consume() as child:
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
