"""The report of a consumer: what its workers do, told to the store every two seconds."""

from collections.abc import Mapping
from datetime import datetime

from taskrunner.domain.queues.queue import QueueCounts
from taskrunner.domain.value import Value, field


class RunningAttempt(Value):
    """An attempt that a consumer has claimed. `host` is None for a task that is no request."""

    task_id: str
    attempt: int
    queue: str
    host: str | None
    executor: str | None
    since: datetime


class WorkerProcessReport(Value):
    """A process of workers. `pid` is None while it is being replaced."""

    pid: int | None
    losses: int
    last_loss: str | None


class ScalingChange(Value):
    """The autoscaler changed the number of workers."""

    at: datetime
    before: int
    after: int
    reason: str


class WorkerReport(Value):
    """A consumer. `threads` are its workers, between `min_threads` and `max_threads`.

    `target` and `last_decision` are the autoscaler's, `changes` its newest changes.
    `running` are the longest of the `in_flight` attempts.
    `in_memory` are the queues of a broker in the consumer's own process, which no other process can ask.
    """

    id: str
    host: str
    pid: int
    version: str
    since: datetime
    reported_at: datetime
    queues: tuple[str, ...]
    threads: int
    busy: int
    min_threads: int
    max_threads: int
    target: int
    last_decision: str | None
    backlog: int
    in_flight: int
    processes: tuple[WorkerProcessReport, ...]
    running: tuple[RunningAttempt, ...]
    in_memory: Mapping[str, QueueCounts] = field(default_factory=dict)
    changes: tuple[ScalingChange, ...] = ()
