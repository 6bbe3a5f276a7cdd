"""Depths: whether a million tasks in the queue cost the consumer speed or memory."""

import statistics

from harness.bench import Bench
from harness.drain import Drain
from harness.figures import Figure

_WINDOW_TASKS = 8_000
_SKIPPED_TASKS = 1_000
_WANTED_MIB = 150.0
_WANTED_RATIO = 0.95


def deep(bench: Bench) -> None:
    """A deep drain between two shallow ones, compared window by window, since the machine drifts."""
    sizes = bench.sizes
    shallow = [_drain(bench, sizes.shallow) for _ in range(sizes.repeat)]
    deepest = _drain(bench, sizes.deep)
    shallow += [_drain(bench, sizes.shallow) for _ in range(sizes.repeat)]
    shallow_rates = [rate for each in shallow for rate in window_rates(each)]
    deep_rates = window_rates(deepest)
    if not shallow_rates or not deep_rates:
        return  # a drain stalled, and is told as a loss
    ratio = statistics.median(deep_rates) / statistics.median(shallow_rates)
    first = deep_rates[0] / statistics.median(shallow_rates)
    peak_mib = deepest.peak_rss_bytes / (1 << 20)
    name = f"{sizes.deep:,} queued"
    bench.figures += [
        Figure(what=f"drain, {sizes.shallow:,} queued: window", unit="tasks/s", runs=shallow_rates),
        Figure(
            what=f"drain, {name}: window",
            unit="tasks/s",
            runs=[statistics.median(deep_rates)],
            note=f"of {len(deep_rates)} windows",
        ),
        Figure(what="  deep / shallow, all windows", unit="times", runs=[ratio], at_least=_WANTED_RATIO),
        Figure(what="  deep / shallow, first window", unit="times", runs=[first], at_least=_WANTED_RATIO),
        Figure(what="  consumer's peak memory", unit="MiB", runs=[peak_mib], at_most=_WANTED_MIB),
    ]


def window_rates(drain: Drain) -> list[float]:
    """Tasks per second in each window of some thousand tasks, the first thousand left out as warm-up."""
    rates = []
    began: tuple[float, int] | None = None
    for moment, tasks in drain.curve:
        if began is None:
            began = (moment, tasks) if tasks >= _SKIPPED_TASKS else None
        elif tasks - began[1] >= _WINDOW_TASKS:
            rates.append((tasks - began[1]) / (moment - began[0]))
            began = (moment, tasks)
    return rates


def _drain(bench: Bench, tasks: int) -> Drain:
    return bench.drain(bench.ours, tasks=tasks)
