"""Metrics: totals, rates and durations of this process, counted from events.

Counters grow until the process ends. No event is kept, and no value of a task becomes a label, except for the
names of its queue and executor, of which only so many are told apart: see `attempt_counts`, `task_times`.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from taskrunner.domain import events, process_events
from taskrunner.domain.clock import Clock
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.fleet.figures import DURATION_BUCKETS, Figures
from taskrunner.domain.targets.ssrf_policy import DialRefusal
from taskrunner.domain.tasks.status import Status
from taskrunner.monitor.attempt_counts import AttemptCounts
from taskrunner.monitor.call_times import CallTimes
from taskrunner.monitor.histogram import CALL_BUCKETS, Histogram
from taskrunner.monitor.request_counts import RequestCounts
from taskrunner.monitor.task_times import TaskTimes

# The counters by their names in `/stats` and `/metrics`.
COUNTERS = {
    "accepted": "New tasks written to the store",
    "published": "Envelopes confirmed by the broker",
    "published_by_relay": "Envelopes published by the relay, included in published",
    "publish_failed": "Envelopes not confirmed by the broker; the relay publishes them again",
    "started": "Attempts started",
    "succeeded": "Tasks that ended succeeded",
    "failed": "Tasks that an attempt ended failed",
    "retried": "Attempts that failed and will be followed by another",
    "interrupted": "Attempts ended by a fault of taskrunner, which do not count",
    "settle_refused": "Late outcomes dropped because the attempt no longer ran",
    "dropped": "Stale or duplicate deliveries acknowledged without an attempt",
    "snoozed": "Tasks put off by a limit, a paused label, a lack of handlers, or their own handler",
    "circuits_opened": "Circuit breakers that opened",
    "slowdowns": "Requests by hosts to slow down",
    "adopted": "Tasks created from an envelope without a record",
    "rejected": "Messages that were not tasks",
    "dead_letters": "Messages moved from the dead letter queue to the store",
    "expired": "Tasks that failed because no attempt started before expires_at",
    "schedules_failed": "Slots of schedules whose task could not be submitted",
    "cancelled": "Tasks cancelled by request",
    "deleted": "Tasks removed by request",
    "leases_expired": "Attempts whose worker disappeared",
    "written_off": "Workers replaced because an attempt outlived its deadline",
    "processes_lost": "Worker processes that died and were replaced",
    "unauthenticated": "API requests without a good key (401)",
    "forbidden": "API requests that the key or the browser's page may not make (403)",
    "rate_limited": "API requests refused with 429",
    "audit_lost": "Audit entries that could not be written; the log has them",
    "server_faults": "Refusals of a server with a code unknown to taskrunner; the log has code and words",
    "faults": "Unexpected errors in a loop or a request",
}
# The rates in `/stats`; the other counters change too seldom for a rate.
RATES = ("accepted", "published", "started", "succeeded", "failed", "retried")
_DENIED = {401: "unauthenticated", 403: "forbidden", 429: "rate_limited"}
_LIMITS = ("rate_limited", "too_many_live_tasks", "too_many_stored_bytes", "too_many_streams")
# One more than the widest window, so that the current second never overwrites one that still counts.
_SLOTS = 61
WINDOWS = (1, 10, 60)


class Meter:
    """A total, and one counter per second for the last minute.

    `second` is a whole number of seconds on the monotonic clock; it must not go back.
    """

    __slots__ = ("_counts", "_first", "_seconds", "total")

    def __init__(self, second: int) -> None:
        self.total = 0
        self._first = second
        self._seconds = [-1] * _SLOTS
        self._counts = [0] * _SLOTS

    def add(self, count: int, second: int) -> None:
        slot = second % _SLOTS
        if self._seconds[slot] != second:
            self._seconds[slot] = second
            self._counts[slot] = 0
        self._counts[slot] += count
        self.total += count

    def rate(self, window: int, second: int) -> float:
        """Per second, over the last `window` complete seconds or the lifetime of the meter, if shorter."""
        lived = min(window, second - self._first)
        if lived <= 0:
            return 0.0
        oldest = second - window
        pairs = zip(self._seconds, self._counts, strict=True)
        return sum(count for at, count in pairs if oldest <= at < second) / lived


class Metrics:
    """A listener of events of these `kinds`. One dictionary look-up and one addition per event."""

    def __init__(self, clock: Clock, executors: ExecutorSource) -> None:
        self._clock = clock
        self.attempts = AttemptCounts(executors)
        second = int(clock.monotonic())
        self._meters = {name: Meter(second) for name in COUNTERS}
        self.durations = Histogram(DURATION_BUCKETS)
        self.task_times = TaskTimes(clock)
        self.requests = RequestCounts()
        # Those who measure add to them themselves.
        self.calls = CallTimes()
        self.loop_lags = Histogram(CALL_BUCKETS)
        # By the code of the problem, and by `DialRefusal`. From 0, so that the first one is an increase.
        self.limit_hits = Counter(dict.fromkeys(_LIMITS, 0))
        self.refusals = Counter(dict.fromkeys((each.value for each in DialRefusal), 0))
        # By the setting of the port, in seconds since 1970.
        self.certificate_ends: dict[str, float] = {}
        self._published_by_queue: Counter[str] = Counter()
        self._started_by_queue: Counter[str] = Counter()
        # The key decides the type of the argument, which a dictionary type cannot express.
        self._rules: Mapping[type[events.Event], Callable[[Any], None]] = {
            events.TasksAccepted: lambda event: self._add("accepted", event.count),
            events.TasksPublished: self._published,
            events.PublishFailed: lambda event: self._add("publish_failed", event.count),
            events.TaskStarted: self._started,
            events.TaskSettled: self._settled,
            events.SettleRefused: lambda _: self._add("settle_refused"),
            events.DeliveryDropped: lambda _: self._add("dropped"),
            events.TasksSnoozed: lambda event: self._add("snoozed", event.count),
            events.CircuitOpened: lambda _: self._add("circuits_opened"),
            events.HostSlowedDown: lambda _: self._add("slowdowns"),
            events.TaskAdopted: lambda _: self._add("adopted"),
            events.MessageRejected: lambda _: self._add("rejected"),
            events.DeadLetterCollected: lambda _: self._add("dead_letters"),
            events.TaskExpired: lambda _: self._add("expired"),
            events.ScheduleFailed: lambda _: self._add("schedules_failed"),
            events.TasksCancelled: lambda event: self._add("cancelled", event.count),
            events.TasksDeleted: lambda event: self._add("deleted", event.count),
            events.LeaseExpired: lambda _: self._add("leases_expired"),
            events.WorkerWrittenOff: lambda _: self._add("written_off"),
            events.WorkerProcessLost: lambda _: self._add("processes_lost"),
            process_events.RequestDenied: self._denied,
            process_events.RequestAnswered: self.requests.add,
            process_events.CertificateShown: self._certificate,
            process_events.AuditLost: lambda _: self._add("audit_lost"),
            events.ServerFault: lambda _: self._add("server_faults"),
            events.LoopFailed: lambda _: self._add("faults"),
            process_events.RequestFailed: lambda _: self._add("faults"),
        }

        self.kinds = self._rules.keys()

    def __call__(self, event: events.Event) -> None:
        self._rules[type(event)](event)

    def totals(self) -> dict[str, int]:
        """Every counter since the start of this process."""
        return {name: meter.total for name, meter in self._meters.items()}

    def rates(self) -> dict[str, dict[str, float]]:
        """Per second over the last 1, 10 and 60 complete seconds."""
        second = int(self._clock.monotonic())
        return {
            name: {f"{window}s": round(self._meters[name].rate(window, second), 2) for window in WINDOWS}
            for name in RATES
        }

    def figures(self) -> Figures:
        """What was counted since the start of this process."""
        totals = self.totals()
        return Figures(
            submitted=totals["accepted"],
            started=totals["started"],
            succeeded=totals["succeeded"],
            failed=totals["failed"],
            retried=totals["retried"],
            published=dict(self._published_by_queue),
            begun=dict(self._started_by_queue),
            durations=tuple(self.durations.counts),
        )

    def _add(self, name: str, count: int = 1) -> None:
        self._meters[name].add(count, int(self._clock.monotonic()))

    def _started(self, event: events.TaskStarted) -> None:
        self._add("started")
        self._started_by_queue[event.task.queue] += 1
        self.task_times.started(event)

    def _denied(self, event: process_events.RequestDenied) -> None:
        self._add(_DENIED[event.status])
        if event.status == 429:
            self.limit_hits[event.code] += 1

    def _certificate(self, event: process_events.CertificateShown) -> None:
        self.certificate_ends[event.setting] = event.ends_at.timestamp()

    def _published(self, event: events.TasksPublished) -> None:
        self._add("published", event.count)
        self._published_by_queue.update(event.queues)
        if event.by_relay:
            self._add("published_by_relay", event.count)

    def _settled(self, event: events.TaskSettled) -> None:
        self.durations.observe(event.elapsed)
        self.attempts.add(event)
        self.task_times.settled(event)
        if event.outcome.refusal is not None:
            self.refusals[event.outcome.refusal.value] += 1
        verdict = event.verdict
        if verdict.status is Status.SUCCEEDED:
            self._add("succeeded")
        elif verdict.status is Status.FAILED:
            self._add("failed")
        elif verdict.status is Status.SCHEDULED:
            self._add("snoozed")
        elif verdict.counted:
            self._add("retried")
        else:
            self._add("interrupted")
