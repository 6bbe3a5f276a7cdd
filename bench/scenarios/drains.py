"""Drains: the same backlog worked off by each contender in turn, A B C A B C."""

from collections import defaultdict

from harness.bench import Bench
from harness.contender import Contender
from harness.drain import Drain
from harness.figures import Figure

SLOW_SECONDS = 0.05
_TIMES_AS_FAST = {"BullMQ": 1.0, "Dramatiq": 7.0}
_WANTED_AT_50_MS = 970.0
_STEADY_TASKS = 10_000
_WANTED_ON_SQL = 1_500.0


def instant(bench: Bench) -> None:
    """All contenders on a target that answers at once: the cost of the queue itself."""
    rounds: dict[str, list[Drain]] = defaultdict(list)
    for _ in range(bench.sizes.repeat):
        for contender in bench.contenders:
            rounds[contender.name].append(_one(bench, contender))
    rates = {name: [each.rate for each in drains] for name, drains in rounds.items()}
    for name, runs in rates.items():
        bench.figures.append(Figure(what=f"drain, instant URL: {name}", unit="tasks/s", runs=runs))
    ours = rates.get(bench.ours.name)
    for name, wanted in _TIMES_AS_FAST.items():
        if ours and name in rates:
            # Round by round and not median by median: what else the machine did hit both alike.
            ratios = [mine / theirs for mine, theirs in zip(ours, rates[name], strict=True)]
            bench.figures.append(
                Figure(what=f"  taskrunner / {name}", unit="times", runs=ratios, at_least=wanted)
            )


def slow(bench: Bench) -> None:
    """Taskrunner on a target that takes 50 ms, where 50 workers can make 1,000 tasks/s at most."""
    tasks = min(bench.sizes.drain, _STEADY_TASKS)
    runs = [bench.drain(bench.ours, delay=SLOW_SECONDS, tasks=tasks).rate for _ in range(bench.sizes.repeat)]
    bench.figures.append(
        Figure(what="drain, 50 ms URL: taskrunner", unit="tasks/s", runs=runs, at_least=_WANTED_AT_50_MS)
    )


def sql(bench: Bench) -> None:
    """Taskrunner on the stores on SQL, on a target that answers at once."""
    for contender in bench.on_sql:
        runs = [_one(bench, contender).rate for _ in range(bench.sizes.repeat)]
        what = f"drain, instant URL: {contender.name}"
        bench.figures.append(Figure(what=what, unit="tasks/s", runs=runs, at_least=_WANTED_ON_SQL))


def _one(bench: Bench, contender: Contender) -> Drain:
    return bench.drain(contender, tasks=int(bench.sizes.drain * contender.share))
