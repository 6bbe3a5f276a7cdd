"""Metrics: totals, rates and durations from events, and their text for Prometheus."""

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskrunner.domain.audit import AuditEntry, AuditSource
from taskrunner.domain.events import (
    AuditLost,
    Event,
    Events,
    LoopFailed,
    RequestDenied,
    TasksAccepted,
    TaskSettled,
    TasksPublished,
    TaskStarted,
)
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.retry import Verdict
from taskrunner.domain.retry_policy import RetryPolicy
from taskrunner.domain.status import Status
from taskrunner.domain.task import Task
from taskrunner.monitor.exposition import render
from taskrunner.monitor.metrics import COUNTERS, Meter, Metrics

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TASK = Task(id="t", url="http://a/", timeout=1, max_attempts=1, retry=RetryPolicy(), created_at=NOW)


ENTRY = AuditEntry(id="e", at=NOW, source=AuditSource.CLI, action="pause", count=1)


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return self.seconds


def settled(status: Status, *, counted: bool = True, elapsed: float = 0.1) -> TaskSettled:
    verdict = Verdict(status=status, reason="", counted=counted)
    outcome = Outcome(kind=OutcomeKind.OK)
    return TaskSettled(task=TASK, attempt=1, outcome=outcome, verdict=verdict, elapsed=elapsed)


@pytest.mark.parametrize(
    ("event", "counted"),
    [
        (TasksAccepted(count=3), {"accepted": 3}),
        (TasksPublished(count=2, by_relay=False, queues=()), {"published": 2}),
        (TasksPublished(count=2, by_relay=True, queues=()), {"published": 2, "published_by_relay": 2}),
        (TaskStarted(task=TASK, attempt=1), {"started": 1}),
        (settled(Status.SUCCEEDED), {"succeeded": 1}),
        (settled(Status.FAILED), {"failed": 1}),
        (settled(Status.RETRYING), {"retried": 1}),
        (settled(Status.RETRYING, counted=False), {"interrupted": 1}),
        (settled(Status.SCHEDULED, counted=False), {"snoozed": 1}),
        (LoopFailed(service="relay", error=ValueError()), {"faults": 1}),
        (RequestDenied(status=401), {"unauthenticated": 1}),
        (RequestDenied(status=403), {"forbidden": 1}),
        (RequestDenied(status=429), {"rate_limited": 1}),
        (AuditLost(entry=ENTRY, error=ValueError()), {"audit_lost": 1}),
        (Event(), {}),
    ],
)
def test_an_event_counts_where_it_belongs(event: Event, counted: dict[str, int]) -> None:
    metrics, events = Metrics(FakeClock()), Events()
    events.subscribe(metrics, metrics.kinds)
    events.emit(event)
    assert {name: total for name, total in metrics.totals().items() if total} == counted


def test_rates_are_of_complete_seconds() -> None:
    clock = FakeClock()
    metrics = Metrics(clock)
    for _ in range(20):
        metrics(TasksAccepted(count=5))
        clock.seconds += 1
    metrics(TasksAccepted(count=1000))
    assert metrics.rates()["accepted"] == {"1s": 5.0, "10s": 5.0, "60s": 5.0}


def test_a_rate_falls_to_nothing_when_nothing_happens() -> None:
    meter = Meter(0)
    meter.add(60, 0)
    assert [meter.rate(60, second) for second in (0, 1, 30, 60, 61)] == [0.0, 60.0, 2.0, 1.0, 0.0]
    assert meter.total == 60


def test_a_slot_is_used_again_after_a_minute() -> None:
    meter = Meter(0)
    for second in range(200):
        meter.add(1, second)
    assert meter.rate(60, 200) == 1.0
    assert meter.rate(1, 200) == 1.0


def test_the_exposition_has_a_cumulative_histogram_and_escapes_labels() -> None:
    metrics = Metrics(FakeClock())
    metrics(TasksAccepted(count=3))
    for elapsed in (0.001, 0.2, 5000.0):
        metrics(settled(Status.SUCCEEDED, elapsed=elapsed))
    text = render(
        metrics,
        {
            "version": 'a"b\\c',
            "queues": None,
            "counts": {"queued": 4},
            "stuck": {"running": 2},
            "reconnects": {"redis": 1},
        },
    ).decode()
    lines = text.splitlines()
    assert "# TYPE taskrunner_accepted_total counter" in lines
    assert "taskrunner_accepted_total 3.0" in lines
    assert 'taskrunner_attempt_seconds_bucket{le="0.005"} 1.0' in lines
    assert 'taskrunner_attempt_seconds_bucket{le="900"} 2.0' in lines
    assert 'taskrunner_attempt_seconds_bucket{le="+Inf"} 3.0' in lines
    assert "taskrunner_attempt_seconds_count 3.0" in lines
    assert 'taskrunner_tasks{status="queued"} 4.0' in lines
    assert 'taskrunner_stuck_tasks{status="running"} 2.0' in lines
    assert 'taskrunner_reconnects_total{service="redis"} 1.0' in lines
    assert 'taskrunner_info{version="a\\"b\\\\c"} 1.0' in lines
    assert "queue_ready" not in text
    assert text.endswith("\n")


def test_the_exposition_is_read_back_by_the_library() -> None:
    """Each family is there once, and nothing of this process is added."""
    names = [
        family.name for family in text_string_to_metric_families(render(Metrics(FakeClock()), {}).decode())
    ]
    assert len(names) == len(set(names)) == len(COUNTERS) + 2
    assert all(name.startswith("taskrunner_") for name in names)
