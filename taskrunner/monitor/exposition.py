"""The exposition: metrics and statistics as text for Prometheus.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format, version 0.0.4. Written
here rather than with prometheus-client, whose registries are globals and whose counters take locks.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from taskrunner.monitor.metrics import COUNTERS, DURATION_BUCKETS, Metrics

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_WORKERS = ("total", "busy", "min", "max", "target")

Sample = tuple[Mapping[str, str], float]


def render(metrics: Metrics, stats: Mapping[str, Any]) -> str:
    """Counters and durations of `metrics` and what `stats` tells as gauges; what is null is left out."""
    lines: list[str] = []
    for name, total in metrics.totals().items():
        lines += _family(f"taskrunner_{name}_total", "counter", COUNTERS[name], [({}, total)])
    lines += _durations(metrics)
    lines += _gauges(stats)
    return "\n".join(lines) + "\n"


def _gauges(stats: Mapping[str, Any]) -> Iterator[str]:
    workers, queues, counts = (stats.get(name) or {} for name in ("workers", "queues", "counts"))
    queues = [
        ({"queue": queue}, depth["ready"]) for queue, depth in queues.items() if isinstance(depth, dict)
    ]
    sizes = [({"kind": kind}, workers[kind]) for kind in _WORKERS if workers.get(kind) is not None]
    tasks = [({"status": status}, count) for status, count in counts.items()]
    stuck = [({"status": status}, count) for status, count in (stats.get("stuck") or {}).items()]
    again = [({"service": name}, count) for name, count in (stats.get("reconnects") or {}).items()]
    yield from _family("taskrunner_queue_ready", "gauge", "Messages ready in the broker", queues)
    yield from _family("taskrunner_workers", "gauge", "Worker threads", sizes)
    yield from _family("taskrunner_tasks", "gauge", "Tasks in the store", tasks)
    yield from _family("taskrunner_stuck_tasks", "gauge", "Tasks that are due and left alone", stuck)
    yield from _family("taskrunner_reconnects_total", "counter", "Connections made after the first", again)
    if stats.get("in_flight") is not None:
        in_flight: list[Sample] = [({}, stats["in_flight"])]
        yield from _family("taskrunner_in_flight", "gauge", "Attempts that run now", in_flight)
    info = [({"version": str(stats.get("version"))}, 1)]
    yield from _family("taskrunner_info", "gauge", "The version that runs", info)


def _durations(metrics: Metrics) -> Iterator[str]:
    name = "taskrunner_attempt_seconds"
    counts, elapsed = metrics.durations()
    bounds = [*(f"{bucket:g}" for bucket in DURATION_BUCKETS), "+Inf"]
    yield f"# HELP {name} How long attempts took"
    yield f"# TYPE {name} histogram"
    running = 0
    for bound, count in zip(bounds, counts, strict=True):
        running += count
        yield _line(f"{name}_bucket", {"le": bound}, running)
    yield _line(f"{name}_sum", {}, elapsed)
    yield _line(f"{name}_count", {}, running)


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    lines = [_line(name, labels, value) for labels, value in samples]
    if lines:
        yield f"# HELP {name} {text}"
        yield f"# TYPE {name} {kind}"
        yield from lines


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {value}" if pairs else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
