"""The exposition: metrics and statistics as text for Prometheus."""

from collections.abc import Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from taskrunner.domain.fleet.figures import DURATION_BUCKETS
from taskrunner.monitor.attempt_counts import AttemptLabels
from taskrunner.monitor.metrics import COUNTERS, Metrics

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_WORKERS = ("total", "busy", "min", "max", "target")


def render(metrics: Metrics, stats: Mapping[str, Any]) -> bytes:
    """Counters and durations of `metrics`, and `stats` as gauges; parts that are null are left out."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(metrics, stats))
    return generate_latest(registry)


class _Snapshot(Collector):
    """Turns our counters into metric families when they are asked for.

    prometheus-client's own counters take a lock for each event.
    """

    def __init__(self, metrics: Metrics, stats: Mapping[str, Any]) -> None:
        self._metrics = metrics
        self._stats = stats

    def collect(self) -> Iterator[Metric]:
        for name, total in self._metrics.totals().items():
            yield CounterMetricFamily(f"taskrunner_{name}", COUNTERS[name], value=total)
        yield self._durations()
        yield self._attempts()
        workers, queues = self._part("workers"), self._part("queues")
        ready = {name: depth["ready"] for name, depth in queues.items() if isinstance(depth, dict)}
        sizes = {kind: workers[kind] for kind in _WORKERS if workers.get(kind) is not None}
        yield from _gauge("taskrunner_queue_ready", "Messages ready in the broker", "queue", ready)
        yield from _gauge("taskrunner_workers", "Worker threads", "kind", sizes)
        yield from _gauge("taskrunner_tasks", "Tasks in the store", "status", self._part("counts"))
        yield from _gauge("taskrunner_stuck_tasks", "Tasks that are overdue", "status", self._part("stuck"))
        if reconnects := self._part("reconnects"):
            family = CounterMetricFamily(
                "taskrunner_reconnects", "Connections made after the first", labels=["service"]
            )
            for service, count in reconnects.items():
                family.add_metric([service], count)
            yield family
        if (in_flight := self._stats.get("in_flight")) is not None:
            yield GaugeMetricFamily("taskrunner_in_flight", "Running attempts", value=in_flight)
        version = {str(self._stats.get("version")): 1}
        yield from _gauge("taskrunner_info", "The running version", "version", version)

    def _part(self, name: str) -> Mapping[str, Any]:
        return self._stats.get(name) or {}

    def _attempts(self) -> Metric:
        text = "Attempts that ended, by outcome, and the status of the task then"
        family = CounterMetricFamily("taskrunner_attempts", text, labels=AttemptLabels._fields)
        for labels, total in self._metrics.attempts.totals().items():
            family.add_metric(labels, total)
        return family

    def _durations(self) -> Metric:
        counts, elapsed = self._metrics.durations()
        buckets: list[tuple[str, float]] = []
        running = 0
        for bound, count in zip((*DURATION_BUCKETS, float("inf")), counts, strict=True):
            running += count
            buckets.append((f"{bound:g}" if bound < float("inf") else "+Inf", running))
        return HistogramMetricFamily(
            "taskrunner_attempt_seconds", "Duration of attempts", buckets=buckets, sum_value=elapsed
        )


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Iterator[Metric]:
    if values:
        family = GaugeMetricFamily(name, text, labels=[label])
        for value, number in values.items():
            family.add_metric([value], number)
        yield family
