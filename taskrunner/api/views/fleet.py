"""The views of queues, of consumers, and of the figures over time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

from taskrunner.api.views.view import View
from taskrunner.domain.fleet.figures import Figures
from taskrunner.domain.fleet.worker_report import WorkerReport
from taskrunner.domain.queues.declared_queues import QueueOrigin
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.producer.fleet import Moment, QueueState


class QueuePauseView(View):
    """`scope` is `all` or `queue:NAME`; `by` is a key or an origin, null if the audit does not have it."""

    scope: str
    since: AwareDatetime
    by: str | None


class DeclaredQueueView(View):
    """A declared queue. One of the configuration is changed there, until the API declares it, too."""

    name: str
    weight: int
    declared_by: QueueOrigin


class QueueView(View):
    """A queue. `weight` is how many turns it gets while every queue has tasks waiting.

    `ready` are messages in the broker, `consumers` subscriptions; null while the broker is away.
    `oldest_age` is in seconds: the longest time that a task of this queue has been queued, among the thousand
    queued tasks that were created first. `rate_in` and `rate_out` are tasks per second over ten seconds.
    `served_by` are the ids of the consumers.
    """

    name: str
    weight: int
    declared_by: QueueOrigin
    ready: int | None
    oldest_age: float | None
    rate_in: float
    rate_out: float
    paused: QueuePauseView | None
    consumers: int | None
    served_by: Sequence[str]

    @classmethod
    def of(cls, queue: QueueState, now: datetime) -> Self:
        since, pause = queue.queued_since, queue.pause
        age = None if since is None else round(max(0.0, (now - since).total_seconds()), 3)
        return cls.copy(queue, oldest_age=age, paused=None if pause is None else QueuePauseView.copy(pause))


class QueueList(View):
    """All queues."""

    queues: Sequence[QueueView]


class RunningAttemptView(View):
    """An attempt, and for how many seconds it has run. `host` is null for a task that is no request."""

    task_id: str
    attempt: int
    queue: str
    host: str | None
    executor: str | None
    since: AwareDatetime
    seconds: float


class WorkerProcessView(View):
    """`losses` is how often it died and was replaced; `pid` is null meanwhile."""

    pid: int | None
    losses: int
    last_loss: str | None


class ScalingChangeView(View):
    """The autoscaler changed the number of workers."""

    at: AwareDatetime
    before: int
    after: int
    reason: str


class WorkerView(View):
    """A consumer, as it reported at `reported_at`. `threads` are its workers, `target` the autoscaler's wish,
    `changes` its newest changes.

    `running` are up to 50 of the attempts `in_flight`: those that have run longest. `backlog` is the number
    of deliveries that wait.
    """

    id: str
    host: str
    pid: int
    version: str
    since: AwareDatetime
    reported_at: AwareDatetime
    queues: Sequence[str]
    threads: int
    busy: int
    min_threads: int
    max_threads: int
    target: int
    last_decision: str | None
    backlog: int
    in_flight: int
    processes: Sequence[WorkerProcessView]
    running: Sequence[RunningAttemptView]
    changes: Sequence[ScalingChangeView]

    @classmethod
    def of(cls, report: WorkerReport) -> Self:
        at = report.reported_at
        return cls.copy(
            report,
            processes=[WorkerProcessView.copy(each) for each in report.processes],
            running=[
                RunningAttemptView.copy(each, seconds=round(max(0.0, (at - each.since).total_seconds()), 3))
                for each in report.running
            ],
            changes=[ScalingChangeView.copy(each) for each in report.changes],
        )


class WorkerList(View):
    """The consumers that run, by id."""

    workers: Sequence[WorkerView]


class PointView(View):
    """What happened in the second or minute from `at`; the percentiles are of attempts, in seconds.

    A percentile is the upper bound of its bucket; null without attempts. `depth` is the number of ready
    messages of all queues, `workers` that of the threads of all consumers; null if nobody knew.
    """

    at: AwareDatetime
    submitted: int
    started: int
    succeeded: int
    failed: int
    retried: int
    depth: int | None
    workers: int | None
    p50: float | None
    p95: float | None
    p99: float | None

    @classmethod
    def of(cls, moment: Moment) -> Self:
        figures: Figures = moment.figures
        return cls.copy(
            figures,
            at=datetime.fromtimestamp(moment.at, UTC),
            p50=figures.percentile(0.5),
            p95=figures.percentile(0.95),
            p99=figures.percentile(0.99),
        )


class HistoryView(View):
    """The points in order, `resolution` seconds each; there is none for a time in which nothing ran."""

    resolution: int
    points: Sequence[PointView]
