"""The scene: two `serve` and two `consume` on servers of a fleet, and one trial after another there."""

import contextlib
import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.system.chaos import report, trial
from tests.system.chaos.evidence import Evidence
from tests.system.chaos.stage import PROFILES
from tests.system.chaos.traffic import Orders, Traffic
from tests.system.chaos.trial import Result, Settings
from tests.system.harness.deployment import Deployment
from tests.system.harness.target import Target
from tests.tools.waiting import wait_for

_RATE = 150.0
_SETTINGS = Settings(tasks=1000, ends_within=120.0, recovers_within=60.0)


@dataclass(slots=True)
class Scene:
    """A deployment under traffic; `traffic` is that of the trial that runs."""

    deployment: Deployment
    target: Target
    traffic: Traffic = field(init=False)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def trial(
        self,
        name: str,
        inject: Callable[[], None],
        *,
        settings: Settings = _SETTINGS,
        wipes: bool = False,
        rate: float = _RATE,
    ) -> Result:
        """Inject under traffic and judge; `wipes` as in the campaign: records may go, of what has run."""

        def complete(evidence: Evidence) -> None:
            evidence.wiped = wipes
            gone = sum(record is None for record in evidence.records.values())
            print(f"{gone} of {len(evidence.records)} records are gone")

        run = f"{self.deployment.name}-{next(self._numbers)}"
        base = self.target.url("").rstrip("/")
        orders = Orders(base, run, f"secret-{run}", delayed=not wipes, calls_back=False)
        ports = [each.port for each in self.deployment.processes if each.name.startswith("serve")]
        self.traffic = Traffic(ports, self.deployment.folder, orders, rate=rate)
        result = trial.run(name, 0, self.traffic, self.target, inject, complete, settings)
        print(report.line(result))
        return result

    def wait_flowing(self, tasks: int = 300) -> None:
        """Until that many more tasks were accepted and as many more requests answered."""
        accepted, seen = len(self.traffic.accepted), self.target.count()
        wait_for(
            lambda: len(self.traffic.accepted) >= accepted + tasks and self.target.count() >= seen + tasks,
            "traffic flows",
        )


@contextlib.contextmanager
def set_up(
    target: Target, folder: Path, settings: Mapping[str, object], *, rabbitmq_url: str, redis_url: str
) -> Iterator[Scene]:
    deployment = Deployment(
        rabbitmq_url=rabbitmq_url,
        redis_url=redis_url,
        target=target,
        folder=folder,
        settings={**PROFILES["plain"], **settings},
    )
    with contextlib.closing(deployment):
        for start in (deployment.serve, deployment.consume) * 2:
            start(ready=False)
        for running in deployment.processes:
            running.wait_ready()
        yield Scene(deployment, target)
