"""The exposition: metrics and statistics as text for Prometheus.

Every family is there from the start, so that a query finds the name; one without a sample has had no event
yet, or its part is unavailable. `docs/metrics.md` describes them all, and a test holds it against them.
"""

import platform
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector, CollectorRegistry

from taskrunner.domain.queues.pauses import Pauses
from taskrunner.monitor.attempt_counts import AttemptLabels
from taskrunner.monitor.health import CheckReport
from taskrunner.monitor.histogram import Histogram
from taskrunner.monitor.metrics import COUNTERS, Metrics

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
_WORKERS = ("total", "busy", "min", "max", "target")
_CALL = ("service", "operation")


def render(metrics: Metrics, stats: Mapping[str, Any], checks: Mapping[str, CheckReport]) -> bytes:
    """What `metrics` counted, and `stats` and `checks` as gauges; parts that are null have no samples."""
    registry = CollectorRegistry()
    registry.register(_Snapshot(lambda: _families(metrics, stats, checks)))
    return generate_latest(registry)


class _Snapshot(Collector):
    """Turns our counters into metric families when they are asked for.

    prometheus-client's own counters take a lock for each event.
    """

    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        return self._families()


def _families(
    metrics: Metrics, stats: Mapping[str, Any], checks: Mapping[str, CheckReport]
) -> Iterator[Metric]:
    for name, total in metrics.totals().items():
        yield CounterMetricFamily(f"taskrunner_{name}", COUNTERS[name], value=total)
    yield from _of_tasks(metrics)
    yield from _of_calls(metrics)
    yield from _of_stats(stats)
    yield _gauge("check_ok", "Whether a check of /health is ok", "check", _ok(checks))
    yield _gauge(
        "certificate_expiry_timestamp_seconds",
        "When the certificate of a server ends, in seconds since 1970",
        "setting",
        metrics.certificate_ends,
    )
    version = {(str(stats.get("version")), platform.python_version()): 1}
    yield _labelled(GaugeMetricFamily, "build_info", "The running version", ("version", "python"), version)


def _of_tasks(metrics: Metrics) -> Iterator[Metric]:
    times = metrics.task_times
    yield _histogram("wait_seconds", "From when a task is due to its first attempt", ("queue",), times.waits)
    yield _histogram("task_seconds", "From when a task is due to its end", ("queue",), times.totals)
    yield _histogram("attempt_seconds", "Duration of attempts", (), [((), metrics.durations)])
    yield _labelled(
        CounterMetricFamily,
        "attempts",
        "Attempts that ended, by outcome, and the status of the task then",
        AttemptLabels._fields,
        metrics.attempts.totals(),
    )
    yield _counter(
        "refused_targets", "Attempts that the SSRF guard refused, by reason", "reason", metrics.refusals
    )


def _of_calls(metrics: Metrics) -> Iterator[Metric]:
    calls, requests = metrics.calls, metrics.requests
    yield _histogram("call_seconds", "Duration of the calls of store and broker", _CALL, calls.seconds)
    yield _histogram("call_items", "Tasks in a call of store or broker", _CALL, calls.sizes)
    yield _labelled(
        CounterMetricFamily, "call_errors", "Calls of store and broker that failed", _CALL, calls.errors
    )
    yield _labelled(
        CounterMetricFamily,
        "requests",
        "Requests of the HTTP API that were answered",
        ("method", "route", "status"),
        requests.answers(),
    )
    yield _histogram(
        "request_seconds", "From the head of a request to its answer", ("method", "route"), requests.seconds
    )
    yield _counter("limit_hits", "API requests refused by a limit", "limit", metrics.limit_hits)
    yield _histogram("event_loop_lag_seconds", "How late the event loop is", (), [((), metrics.loop_lags)])


def _of_stats(stats: Mapping[str, Any]) -> Iterator[Metric]:
    def part(name: str) -> Mapping[str, Any]:
        return stats.get(name) or {}

    workers = part("workers")
    queues = {name: counts for name, counts in part("queues").items() if isinstance(counts, dict)}
    sizes = {kind: workers[kind] for kind in _WORKERS if workers.get(kind) is not None}
    ready = {name: counts["ready"] for name, counts in queues.items()}
    consumers = {name: counts["consumers"] for name, counts in queues.items()}
    pauses = Pauses(part("paused"))
    paused = {name: float(pauses.cover_queue(name)) for name in queues}
    yield _gauge("queue_ready", "Messages ready in the broker", "queue", ready)
    yield _gauge("queue_consumers", "Subscriptions to a queue in the broker", "queue", consumers)
    yield _gauge("queue_paused", "Whether a queue is paused, or everything", "queue", paused)
    yield _gauge(
        "queue_oldest_age_seconds", "How long the oldest queued task is queued", "queue", part("oldest")
    )
    yield _gauge("tasks", "Tasks in the store", "status", part("counts"))
    yield _gauge("due_tasks", "Live tasks whose due time has come", "status", part("due"))
    yield _gauge("stuck_tasks", "Tasks that are overdue", "status", part("stuck"))
    yield _gauge("hosts", "Hosts with a limit or in trouble", "condition", part("hosts"))
    yield _gauge("workers", "Worker threads", "kind", sizes)
    yield _counter(
        "scaling_decisions", "Decisions of the autoscaler", "decision", workers.get("decisions") or {}
    )
    yield _counter("reconnects", "Connections made after the first", "service", part("reconnects"))
    in_flight = GaugeMetricFamily("taskrunner_in_flight", "Running attempts")
    if (running := stats.get("in_flight")) is not None:
        in_flight.add_metric([], running)
    yield in_flight


def _ok(checks: Mapping[str, CheckReport]) -> dict[str, float]:
    return {name: float(report.check.ok) for name, report in checks.items()}


def _gauge(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    pairs = {(value,): number for value, number in values.items()}
    return _labelled(GaugeMetricFamily, name, text, (label,), pairs)


def _counter(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    pairs = {(value,): number for value, number in values.items()}
    return _labelled(CounterMetricFamily, name, text, (label,), pairs)


def _labelled(
    kind: type[CounterMetricFamily | GaugeMetricFamily],
    name: str,
    text: str,
    labels: tuple[str, ...],
    values: Mapping[Any, float],
) -> Metric:
    family = kind(f"taskrunner_{name}", text, labels=labels)
    for label_values, number in values.items():
        family.add_metric(label_values, number)
    return family


def _histogram(
    name: str,
    text: str,
    labels: tuple[str, ...],
    found: Iterable[tuple[tuple[str, ...], Histogram]],
) -> Metric:
    family = HistogramMetricFamily(f"taskrunner_{name}", text, labels=labels)
    for label_values, histogram in found:
        family.add_metric(label_values, histogram.cumulative(), histogram.sum)
    return family
