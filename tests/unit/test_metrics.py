"""Metrics: totals, rates and durations from events, and their text for Prometheus."""

from datetime import UTC, datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families

from taskrunner.domain.events import (
    Event,
    Events,
    LoopFailed,
    TasksAccepted,
    TaskSettled,
    TasksPublished,
    TaskStarted,
)
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.keys.audit import AuditEntry, AuditSource
from taskrunner.domain.process_events import AuditLost, RequestDenied
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace
from taskrunner.monitor.attempt_counts import MAX_PAIRS, AttemptLabels
from taskrunner.monitor.exposition import render
from taskrunner.monitor.histogram import OTHERS
from taskrunner.monitor.metrics import COUNTERS, Meter, Metrics
from tests.tools.executors import executor

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
        (RequestDenied(status=401, code="key_missing"), {"unauthenticated": 1}),
        (RequestDenied(status=403, code="scope_missing"), {"forbidden": 1}),
        (RequestDenied(status=429, code="rate_limited"), {"rate_limited": 1}),
        (AuditLost(entry=ENTRY, error=ValueError()), {"audit_lost": 1}),
        (Event(), {}),
    ],
)
def test_an_event_counts_where_it_belongs(event: Event, counted: dict[str, int]) -> None:
    metrics, events = Metrics(FakeClock(), ExecutorSource()), Events()
    events.subscribe(metrics, metrics.kinds)
    events.emit(event)
    assert {name: total for name, total in metrics.totals().items() if total} == counted


def test_rates_are_of_complete_seconds() -> None:
    clock = FakeClock()
    metrics = Metrics(clock, ExecutorSource())
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
    metrics = Metrics(FakeClock(), ExecutorSource())
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
        {},
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
    assert any(each.endswith(',version="a\\"b\\\\c"} 1.0') for each in lines)
    assert "taskrunner_queue_ready{" not in text
    assert text.endswith("\n")


@pytest.mark.parametrize(
    ("scopes", "paused"),
    [
        ([], set()),
        (["queue:low"], {"low"}),
        (["all"], {"low", "high"}),
        (["label:low", "executor:low", "queue:gone"], set()),
    ],
)
def test_each_queue_is_paused_or_not(scopes: list[str], paused: set[str]) -> None:
    """By its name or with everything: then its consumers stop consuming it."""
    counts = {"ready": 1, "consumers": 0}
    stats = {"queues": {"low": counts, "high": counts, "total": 2}, "paused": dict.fromkeys(scopes, NOW)}
    text = render(Metrics(FakeClock(), ExecutorSource()), stats, {}).decode()
    [family] = [
        each for each in text_string_to_metric_families(text) if each.name == "taskrunner_queue_paused"
    ]
    found = {sample.labels["queue"]: sample.value for sample in family.samples}
    assert found == {name: float(name in paused) for name in ("low", "high")}


def test_the_exposition_is_read_back_by_the_library() -> None:
    """Each family is there once, even without samples, and nothing of this process is added."""
    text = render(Metrics(FakeClock(), ExecutorSource()), {}, {}).decode()
    names = [family.name for family in text_string_to_metric_families(text)]
    assert len(names) == len(set(names)) > len(COUNTERS)
    assert all(name.startswith("taskrunner_") for name in names)


def ended(
    queue: str = "medium", name: str | None = None, *, status: Status, kind: OutcomeKind
) -> TaskSettled:
    task = replace(TASK, queue=queue, executor=name)
    verdict = Verdict(status=status, reason="")
    return TaskSettled(task=task, attempt=1, outcome=Outcome(kind=kind), verdict=verdict, elapsed=0.1)


def attempts_told(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """By the values of their labels, as a scraper reads them."""
    families = {each.name: each for each in text_string_to_metric_families(render(metrics, {}, {}).decode())}
    samples = families["taskrunner_attempts"].samples
    return {tuple(each.labels[name] for name in AttemptLabels._fields): each.value for each in samples}


def test_attempts_are_counted_by_queue_executor_and_outcome() -> None:
    """A task without an executor, or with one that nobody has declared, is the built-in one's."""
    metrics = Metrics(FakeClock(), ExecutorSource([executor("resize_image"), executor("ship")]))
    for event in (
        ended("high", "resize_image", status=Status.SUCCEEDED, kind=OutcomeKind.OK),
        ended("high", "resize_image", status=Status.SUCCEEDED, kind=OutcomeKind.OK),
        ended("high", "resize_image", status=Status.RETRYING, kind=OutcomeKind.TIMEOUT),
        ended("remote.ship", "ship", status=Status.SCHEDULED, kind=OutcomeKind.SNOOZED),
        ended(status=Status.FAILED, kind=OutcomeKind.HTTP_ERROR),
        ended("low", "nobodys", status=Status.FAILED, kind=OutcomeKind.DNS_ERROR),
    ):
        metrics(event)
    assert attempts_told(metrics) == {
        ("high", "resize_image", "ok", "succeeded"): 2,
        ("high", "resize_image", "timeout", "retrying"): 1,
        ("remote.ship", "ship", "snoozed", "scheduled"): 1,
        ("medium", "http", "http_error", "failed"): 1,
        ("low", "http", "dns_error", "failed"): 1,
    }


def test_an_executor_that_is_made_later_has_a_count_of_its_own() -> None:
    source = ExecutorSource()
    metrics = Metrics(FakeClock(), source)
    event = ended(name="later", status=Status.SUCCEEDED, kind=OutcomeKind.OK)
    metrics(event)
    source.set([executor("later")])
    metrics(event)
    source.set([])
    metrics(event)
    told = attempts_told(metrics)
    assert {labels[1]: count for labels, count in told.items()} == {"http": 2, "later": 1}


def test_the_labels_of_attempts_are_bounded() -> None:
    """Whatever messages say, and however often executors and queues come and go."""
    source = ExecutorSource()
    metrics = Metrics(FakeClock(), source)
    for number in range(2 * MAX_PAIRS):
        source.set([executor(f"e{number}")])
        metrics(ended(f"q{number}", f"e{number}", status=Status.SUCCEEDED, kind=OutcomeKind.OK))
        metrics(ended("medium", f"forged{number}", status=Status.FAILED, kind=OutcomeKind.DNS_ERROR))
    told = attempts_told(metrics)
    assert len(told) == MAX_PAIRS + 1
    assert told[("medium", "http", "dns_error", "failed")] == 2 * MAX_PAIRS
    assert told[(OTHERS, OTHERS, "ok", "succeeded")] == MAX_PAIRS + 1
    assert sum(told.values()) == 4 * MAX_PAIRS
