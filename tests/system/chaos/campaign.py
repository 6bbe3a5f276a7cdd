"""The campaign: trials of every fault, by a seed, and the table of what came of them."""

import dataclasses
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from servers.fleet import Fleet

from tests.system.chaos import checks, trial
from tests.system.chaos.catalogue import FAULTS
from tests.system.chaos.evidence import Evidence, Usage
from tests.system.chaos.executors import HANDLERS, ensure_executors
from tests.system.chaos.fault import Fault
from tests.system.chaos.stage import Stage, staged
from tests.system.chaos.traffic import Orders, Traffic
from tests.system.chaos.trial import Result, Settings
from tests.system.harness.target import Target
from tests.tools.waiting import last_look, wait_for

RATE = 250.0
_WARM = 300
_WIPED_ENDS_WITHIN = 25.0
_GIVEN_BACK_WITHIN = 30.0  # seconds: spare connections are closed after ten
_NOTHING = Evidence(orders={}, submits=(), records={}, last_records={}, hits=())


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which faults, in which order, each with a number that makes its own choices repeatable."""

    seed: int
    trials: Sequence[tuple[str, int]]

    @classmethod
    def make(cls, seed: int, runs: int, only: Iterable[str] = ()) -> "Plan":
        """`runs` trials: every fault in turn, in an order of the seed's, until there are enough.

        Trials of one profile stand together, since each profile is a deployment of its own.
        """
        random = Random(seed)
        wanted = sorted(only) or sorted(FAULTS)
        rounds = itertools.chain.from_iterable(
            random.sample(wanted, len(wanted)) for _ in range(-(-runs // len(wanted)))
        )
        chosen = list(itertools.islice(rounds, runs))
        profiles = sorted({FAULTS[name].profile for name in chosen})
        random.shuffle(profiles)
        chosen.sort(key=lambda name: profiles.index(FAULTS[name].profile))
        return cls(seed=seed, trials=[(name, random.randrange(1 << 32)) for name in chosen])

    def by_profile(self) -> Iterator[tuple[str, list[tuple[str, int]]]]:
        for profile, trials in itertools.groupby(self.trials, key=lambda each: FAULTS[each[0]].profile):
            yield profile, list(trials)


class Campaign:
    """Runs a plan against servers of its own; a fifth of the traffic is of `executors`."""

    def __init__(
        self,
        fleet: Fleet,
        target: Target,
        folder: Path,
        settings: Settings,
        *,
        rate: float = RATE,
        executors: bool = True,
    ) -> None:
        self._fleet = fleet
        self._target = target
        self._folder = folder
        self._settings = settings
        self._rate = rate
        self._executors = executors
        self._numbers = itertools.count(1)
        self.results: list[Result] = []
        self.closings: dict[str, dict[str, list[str]]] = {}
        self.usage: dict[str, dict[str, tuple[Usage, Usage]]] = {}

    def run(self, plan: Plan, launcher: Sequence[str] = ("taskrunner",)) -> Iterator[Result]:
        for profile, trials in plan.by_profile():
            left = list(reversed(trials))
            while left:
                folder = self._folder / f"{next(self._numbers)}-{profile}"
                folder.mkdir()
                settings = {"WORKERS__HANDLERS": HANDLERS} if self._executors else {}
                with staged(
                    profile, self._fleet, self._target, folder, Random(plan.seed), launcher, settings
                ) as stage:
                    self._warm_up(stage)
                    before = _at_rest(stage)
                    is_well = True
                    while left and is_well:
                        name, seed = left.pop()
                        yield self.trial(stage, FAULTS[name], seed, before)
                        is_well = _is_well(stage)
                    if is_well:
                        self._close(profile, stage, before)

    def trial(self, stage: Stage, fault: Fault, seed: int, before: Mapping[str, Usage]) -> Result:
        """One fault; `before` is what the processes held before the first one."""
        stage.random = Random(seed)
        stage.poison = []
        began = datetime.now(UTC)

        def complete(evidence: Evidence) -> None:
            evidence.wiped = fault.wipes
            evidence.poison = stage.poison
            evidence.letters = _letters(stage, began, len(stage.poison))
            if not fault.steady:
                evidence.recovery = 0.0
            stage.heal()
            evidence.usage = _given_back(stage, before)

        most = max(self._settings.recovers_within, fault.recovers_within)
        settings = dataclasses.replace(self._settings, recovers_within=most)
        if fault.wipes:  # a record that is gone does not come back, however long one waits
            shorter = min(settings.ends_within, _WIPED_ENDS_WITHIN)
            settings = dataclasses.replace(settings, ends_within=shorter)
        with self._traffic(stage, fault.id.lower(), whole=not fault.wipes) as traffic:
            try:
                result = trial.run(
                    fault.id, seed, traffic, self._target, lambda: fault.inject(stage), complete, settings
                )
            except Exception as exc:  # noqa: BLE001 - one trial that cannot be judged must not end the rest
                result = trial.unjudged(fault.id, seed, exc)
                for running in stage.living():  # one may be a trap that has not sprung
                    running.kill()
        self.results.append(result)
        return result

    @contextmanager
    def _traffic(self, stage: Stage, name: str, *, whole: bool = True) -> Iterator[Traffic]:
        ports = [running.port for running in stage.living("serve")]
        base = self._target.url("").rstrip("/")
        run = f"{stage.deployment.name}-{name}-{next(self._numbers)}"
        secret = f"secret-{stage.deployment.name}"
        executors = whole and self._executors
        if executors:
            ensure_executors(ports, base)
        stage.orders = Orders(base, run, secret, delayed=whole, calls_back=whole, executors=executors)
        stage.traffic = Traffic(sorted(ports), stage.folder, stage.orders, rate=self._rate)
        yield stage.traffic

    def _warm_up(self, stage: Stage) -> None:
        with self._traffic(stage, "warm") as traffic, traffic:
            wait_for(lambda: len(traffic.accepted) >= _WARM, "the first tasks")
        trial.follow(traffic, [each.task_id for each in traffic.accepted], within=30)

    def _close(self, profile: str, stage: Stage, before: Mapping[str, Usage]) -> None:
        """What counts for a deployment as a whole: what its processes hold at last, and what they wrote."""
        pairs = _given_back(stage, before)
        texts = {path.name: path.read_text(errors="replace") for path in stage.folder.glob("*.log")}
        for running in stage.living():
            for page in ("/metrics", "/stats", "/health"):
                texts[f"{running.name} {page}"] = running.get(page).body.decode()
        shown = stage.deployment.run("config", "show")
        texts["config show"] = shown.stdout + shown.stderr
        secrets = [f"secret-{stage.deployment.name}", "guest:guest"]
        evidence = dataclasses.replace(_NOTHING, usage=pairs, texts=texts, secrets=secrets)
        self.usage[profile] = pairs
        self.closings[profile] = checks.check(evidence)


def _is_well(stage: Stage) -> bool:
    """Whether the next trial can have this deployment. A broker may have lost a queue of it for good."""
    try:
        stage.heal()
    except AssertionError:
        return False
    return True


def _at_rest(stage: Stage) -> dict[str, Usage]:
    stage.wait_idle()
    time.sleep(1.0)  # connections that clients have left are closed by then
    return stage.usage()


def _given_back(stage: Stage, before: Mapping[str, Usage]) -> dict[str, tuple[Usage, Usage]]:
    """Before and after by process: once it has given everything back, or at a deadline."""
    stage.wait_idle()
    pairs: dict[str, tuple[Usage, Usage]] = {}

    def look() -> bool:
        nonlocal pairs
        pairs = {name: (before[name], usage) for name, usage in stage.usage().items() if name in before}
        return not checks.gives_back(dataclasses.replace(_NOTHING, usage=pairs))

    last_look(look, within=_GIVEN_BACK_WITHIN, interval=0.5)
    return pairs


def _letters(stage: Stage, since: datetime, wanted: int) -> list[str]:
    """The unreadable messages among the dead letters that came since then, newest first."""

    def look() -> list[str]:
        with stage.traffic.client() as client:
            found, cursor = list[str](), ""
            while True:
                page = client.get("/dead-letters?limit=100" + (f"&cursor={cursor}" if cursor else "")).json
                fresh = [
                    each for each in page["dead_letters"] if datetime.fromisoformat(each["died_at"]) >= since
                ]
                for letter in fresh:
                    if letter["kind"] == "message":
                        found.append(client.get(f"/dead-letters/{letter['id']}").json["raw_text"])
                cursor = page["next_cursor"] or ""
                if not cursor or len(fresh) < len(page["dead_letters"]):
                    return found

    last_look(lambda: len(look()) >= wanted, within=20)
    return look()
