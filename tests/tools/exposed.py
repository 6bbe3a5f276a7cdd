"""What `/metrics` exposes once something of every kind has happened."""

from datetime import UTC, datetime
from typing import NamedTuple

from prometheus_client.parser import text_string_to_metric_families

from taskrunner.domain.clock import SystemClock
from taskrunner.domain.events import TaskSettled, TaskStarted
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.process_events import CertificateShown, RequestAnswered, RequestDenied
from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.ssrf_policy import DialRefusal
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task import Task
from taskrunner.monitor.exposition import render
from taskrunner.monitor.health import Check, CheckReport
from taskrunner.monitor.metrics import Metrics

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TASK = Task(id="t", url="http://a/", timeout=1, max_attempts=1, retry=RetryPolicy(), created_at=NOW)
_STATS = {
    "version": "1",
    "queues": {"medium": {"ready": 1, "consumers": 1}, "total": 1},
    "paused": {"queue:medium": "2030-01-01T00:00:00Z"},
    "oldest": {"medium": 1.5},
    "counts": {"queued": 1},
    "due": {"queued": 1},
    "stuck": {"queued": 1},
    "hosts": {"open": 1},
    "workers": {"total": 5, "busy": 1, "min": 5, "max": 50, "target": 5, "decisions": {"up": 1}},
    "reconnects": {"redis": 1},
    "in_flight": 1,
}


class Family(NamedTuple):
    """`name` as it stands in a query, but for the suffixes of a histogram."""

    name: str
    type: str
    labels: tuple[str, ...]


async def everything() -> bytes:
    """The text of a process in which all of it has happened."""
    metrics = Metrics(SystemClock(), ExecutorSource())
    blocked = Outcome(kind=OutcomeKind.BLOCKED, refusal=DialRefusal.NOT_PUBLIC)
    verdict = Verdict(status=Status.FAILED, reason="")
    for event in (
        TaskStarted(task=TASK, attempt=1),
        TaskSettled(task=TASK, attempt=1, outcome=blocked, verdict=verdict, elapsed=0.1),
        RequestDenied(status=429, code="rate_limited"),
        RequestAnswered(route=("POST", "/tasks"), status=202, elapsed=0.01),
        CertificateShown(setting="Api.port", ends_at=NOW),
    ):
        metrics(event)
    store = Fails()
    metrics.calls.watch("redis", store, ["claim"])
    for batch in (["t"], []):
        try:
            await store.claim(batch)
        except ValueError:
            continue
    return render(metrics, _STATS, {"redis": CheckReport(check=Check(ok=True), since=NOW)})


class Fails:
    """A store whose call fails without tasks."""

    async def claim(self, batch: list[str]) -> list[str]:
        if not batch:
            raise ValueError("nothing to claim")
        return batch


def families_of(text: bytes) -> dict[str, Family]:
    """By name, as the samples show them."""
    found: dict[str, Family] = {}
    for each in text_string_to_metric_families(text.decode()):
        name = f"{each.name}_total" if each.type == "counter" else each.name
        labels = sorted({label for sample in each.samples for label in sample.labels} - {"le"})
        found[name] = Family(name, each.type, tuple(labels))
    return found
