"""What happens, in the past tense. The flow emits these; logs and metrics listen."""

from collections.abc import Callable

from taskrunner.domain.outcome import Outcome
from taskrunner.domain.retry import Verdict
from taskrunner.domain.task import Priority, Task
from taskrunner.domain.value import Value


class Event(Value):
    """The root of all events."""


class TasksAccepted(Event):
    """New tasks are in the store."""

    count: int


class TasksPublished(Event):
    """The broker confirmed envelopes. `by_relay`: they were due in the index, not just accepted."""

    count: int
    by_relay: bool


class PublishFailed(Event):
    """The broker did not take envelopes; the relay will publish them again."""

    count: int
    error: str


class TaskStarted(Event):
    """A worker began an attempt."""

    task: Task
    attempt: int


class TaskSettled(Event):
    """An attempt ended and the store has its verdict; `elapsed` is seconds."""

    task: Task
    attempt: int
    outcome: Outcome
    verdict: Verdict
    elapsed: float


class SettleRefused(Event):
    """The store no longer had this attempt as running: it was cancelled or taken over."""

    task_id: str
    attempt: int


class DeliveryDropped(Event):
    """A delivery was acked without a run: it was stale, doubled, held by another, or cancelled."""

    task_id: str
    attempt: int
    reason: str


class TaskAdopted(Event):
    """A delivery had no record; one was made from its envelope."""

    task_id: str
    queue: Priority


class MessageRejected(Event):
    """A message was no task and went to the dead letters."""

    queue: str
    error: str


class DeadLetterCollected(Event):
    """A message was moved from the dead letter queue to the store."""

    id: str
    reason: str


class DeliveriesUsedUp(Event):
    """The broker had handed out a task's message too often and took it for dead; the task goes on."""

    task_id: str
    attempt: int


class TaskExpired(Event):
    """A task failed because its next attempt had not started by its `expires_at`.

    `attempts` had been made. `task` is None where nobody can read it any more.
    """

    id: str
    attempts: int
    task: Task | None
    error: str


class PausesChanged(Event):
    """Other scopes are paused now than before, as this process has heard."""

    scopes: tuple[str, ...]


class HostLimitsChanged(Event):
    """Other limits of hosts were given by the API than before, as this process has heard."""

    patterns: tuple[str, ...]


class TasksSnoozed(Event):
    """Delivered tasks were put off, without an attempt, because of their host; `reason` names it."""

    count: int
    reason: str


class CircuitOpened(Event):
    """Too many attempts of this process at a host failed in a row: nothing starts there for a while."""

    host: str


class CircuitClosed(Event):
    """A host whose circuit was open answered again, or somebody has reset it: all may start there."""

    host: str


class HostSlowedDown(Event):
    """A host told this process to slow down, and all consumers do."""

    host: str


class TasksCancelled(Event):
    """Live tasks were cancelled by request."""

    count: int


class ScheduleFailed(Event):
    """A slot of a schedule could not run; the schedule says so until one does."""

    name: str
    error: str


class TasksDeleted(Event):
    """Tasks were removed by request, with all that was known of them."""

    count: int


class LeaseExpired(Event):
    """A running task's lease ran out: its worker is gone."""

    task_id: str
    attempt: int


class WorkersScaled(Event):
    """The supervisor changed the number of workers."""

    before: int
    after: int
    reason: str


class WorkerWrittenOff(Event):
    """A worker outlived its task's deadline and was replaced; its late answer will be dropped."""

    worker: str
    task_id: str
    attempt: int


class WorkerProcessLost(Event):
    """The process of the workers died, or was killed because it hung; another one is started.

    `in_flight` attempts were in its hands. `pid` is None for one that could not even be started.
    """

    pid: int | None
    cause: str
    in_flight: int


class ServiceLost(Event):
    """A service that we need (`rabbitmq`, `redis`) cannot be reached. Told once per outage."""

    service: str
    error: str


class ServiceRestored(Event):
    """A lost service is back; `outage` is seconds."""

    service: str
    outage: float


class LoopFailed(Event):
    """A service's loop met an error that nobody expected; it goes on after a pause."""

    service: str
    error: BaseException


class RequestFailed(Event):
    """A request to our API met an error that nobody expected; its answer names `id` and nothing else."""

    id: str
    method: str
    path: str
    error: BaseException


class PortOpened(Event):
    """Requests are taken at `address` from now on; `setting` names the one for its port."""

    address: str
    setting: str


class StopRequested(Event):
    """A signal asked this process to end in good order; a second one ends it at once."""

    signal: str


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
