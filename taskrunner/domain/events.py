"""What happens, in the past tense. The flow emits these; logs and metrics listen."""

from collections.abc import Callable
from dataclasses import dataclass

from taskrunner.domain.outcome import Outcome
from taskrunner.domain.retry import Verdict
from taskrunner.domain.task import Lane, Task


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """The root of all events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksAccepted(Event):
    """New tasks are in the store."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksPublished(Event):
    """The broker confirmed envelopes. `by_relay`: they were due in the index, not just accepted."""

    count: int
    by_relay: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishFailed(Event):
    """The broker did not take envelopes; the relay will publish them again."""

    count: int
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStarted(Event):
    """A worker began an attempt."""

    task: Task
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettled(Event):
    """An attempt ended and the store has its verdict; `elapsed` is seconds."""

    task: Task
    attempt: int
    outcome: Outcome
    verdict: Verdict
    elapsed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SettleRefused(Event):
    """The store no longer had this attempt as running: it was cancelled or taken over."""

    task_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryDropped(Event):
    """A delivery was acked without a run: it was stale, doubled, held by another, or cancelled."""

    task_id: str
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAdopted(Event):
    """A delivery had no record; one was made from its envelope."""

    task_id: str
    lane: Lane


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRejected(Event):
    """A message was no task and went to the dead letters."""

    lane: Lane
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetterCollected(Event):
    """A message was moved from the dead letter queue to the store."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseExpired(Event):
    """A running task's lease ran out: its worker is gone."""

    task_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkersScaled(Event):
    """The supervisor changed the number of workers."""

    before: int
    after: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerWrittenOff(Event):
    """A worker outlived its task's deadline and was replaced; its late answer will be dropped."""

    worker: str
    task_id: str
    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLost(Event):
    """A service that we need (`rabbitmq`, `redis`) cannot be reached. Told once per outage."""

    service: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceRestored(Event):
    """A lost service is back; `outage` is seconds."""

    service: str
    outage: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFailed(Event):
    """A service's loop met an error that nobody expected; it goes on after a pause."""

    service: str
    error: BaseException


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFailed(Event):
    """A request to our API met an error that nobody expected; its answer names `id` and nothing else."""

    id: str
    method: str
    path: str
    error: BaseException


Listener = Callable[[Event], None]


class Events:
    """Hands each event to every listener, at once and in order. Listeners must not block."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        self._listeners.append(listener)

    def emit(self, event: Event) -> None:
        for listener in self._listeners:
            listener(event)
