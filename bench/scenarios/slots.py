"""Many slow targets at once: how close a consumer with many workers comes to having all of them at work."""

from pathlib import Path
from typing import Any

from harness.backends import Backends
from harness.bench import Bench
from harness.figures import Figure
from harness.ours import Taskrunner

_SECONDS = 1.0
_TASKS_A_SLOT = 10
_WANTED = 0.95


class WithSlots(Taskrunner):
    """The same commands with `slots` workers at most; the autoscaler starts from its default."""

    def __init__(self, backends: Backends, folder: Path, target_port: int, slots: int) -> None:
        folder.mkdir()
        self.name = f"taskrunner, {slots} workers"
        self._slots = slots
        super().__init__(backends, folder, target_port)

    def _settings(self, target_port: int) -> dict[str, Any]:
        return {**super()._settings(target_port), "Workers": {"max_workers": self._slots}}


def slots(bench: Bench) -> None:
    """Ten tasks of 1 s for each worker, so that ten seconds would be perfect; starting the workers counts."""
    for number in bench.sizes.slots:
        contender = WithSlots(bench.backends, bench.folder / f"slots-{number}", bench.target.port, number)
        drains = [
            bench.drain(contender, delay=_SECONDS, tasks=_TASKS_A_SLOT * number)
            for _ in range(bench.sizes.repeat)
        ]
        ideal = _TASKS_A_SLOT * _SECONDS
        bench.figures.append(
            Figure(
                what=f"tasks of 1 s, {number:,} workers, of the possible rate",
                unit="times",
                runs=[ideal / each.seconds for each in drains],
                at_least=_WANTED,
            )
        )
