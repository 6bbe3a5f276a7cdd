"""Events: what has happened to tasks, workers and servers. Services emit them; logs and metrics listen.

Those of a process itself are in `process_events`.
"""

from collections.abc import Callable, Collection, Sequence

from taskrunner.domain.retries.retry import Verdict
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import Value


class Event(Value):
    """The root of all events."""


class TasksAccepted(Event):
    """New tasks are in the store."""

    count: int


class TasksPublished(Event):
    """The broker confirmed envelopes of `queues`; unless `by_relay`, by the fast path of the intake."""

    count: int
    by_relay: bool
    queues: Sequence[str]


class PublishFailed(Event):
    """The broker did not confirm envelopes; the relay will publish them again."""

    count: int
    error: str


class TaskStarted(Event):
    """A worker began an attempt."""

    task: Task
    attempt: int


class TaskSettled(Event):
    """An attempt ended and the store has the verdict. `elapsed` is in seconds."""

    task: Task
    attempt: int
    outcome: Outcome
    verdict: Verdict
    elapsed: float


class SettleRefused(Event):
    """The store refused an outcome: the attempt was cancelled, or its lease had ended."""

    task_id: str
    attempt: int


class DeliveryDropped(Event):
    """A delivery was acknowledged without an attempt: it was stale, a duplicate, or cancelled."""

    task_id: str
    attempt: int
    reason: str


class TaskAdopted(Event):
    """A delivered task had no record; one was made from its envelope."""

    task_id: str
    queue: str


class MessageRejected(Event):
    """A message was not a task and went to the dead letter queue."""

    queue: str
    error: str


class DeadLetterCollected(Event):
    """A message was moved from the dead letter queue to the store."""

    id: str
    reason: str


class TaskSentBack(Event):
    """The broker, not a consumer, dead-lettered the message of a task for `reason`; the task goes on."""

    task_id: str
    attempt: int
    reason: str


class TaskExpired(Event):
    """A task failed at its deadline, after `attempts` attempts. `task` is None if it is unreadable."""

    id: str
    attempts: int
    task: Task | None
    error: str


class TasksSnoozed(Event):
    """Delivered tasks were put off without an attempt; `reason` names the host and its limit."""

    count: int
    reason: str


class ExecutorRegistered(Event):
    """The executor of a Python handler was written as its code declares it."""

    executor: str
    version: int


class ExecutorNotRegistered(Event):
    """The executor of a Python handler stays as it is, for a reason that operators should know."""

    executor: str
    reason: str


class CircuitOpened(Event):
    """Too many attempts of this process at a host failed in a row: no attempt starts there for a while."""

    host: str


class CircuitClosed(Event):
    """A host whose circuit was open answered again, or an operator reset it."""

    host: str


class HostSlowedDown(Event):
    """A host told this process to slow down; all consumers do so."""

    host: str


class TasksCancelled(Event):
    """Live tasks were cancelled by request."""

    count: int


class ScheduleFailed(Event):
    """A slot of a schedule could not run; the schedule shows the error until one does."""

    name: str
    error: str


class TasksDeleted(Event):
    """Tasks were deleted by request, with their records."""

    count: int


class LeaseExpired(Event):
    """The lease of a running task ran out: its worker is gone."""

    task_id: str
    attempt: int


class WorkersScaled(Event):
    """The autoscaler changed the number of workers."""

    before: int
    after: int
    reason: str


class WorkersCapped(Event):
    """Something keeps a consumer from having as many workers at work as its settings say."""

    cap: str


class WorkerWrittenOff(Event):
    """A worker did not end its attempt in time and was replaced; its late outcome will be dropped."""

    worker: str
    task_id: str
    attempt: int


class WorkerProcessLost(Event):
    """A worker process died, or was killed because it hung; another one is started.

    It had `in_flight` attempts. `pid` is None if it could not be started.
    """

    pid: int | None
    cause: str
    in_flight: int


class ServiceLost(Event):
    """A server that we need (`rabbitmq`, `redis`) cannot be reached. Emitted once per outage."""

    service: str
    error: str


class ServiceStillLost(Event):
    """A server has been unreachable for `outage` seconds. Emitted every half a minute."""

    service: str
    error: str
    outage: float


class ServiceRestored(Event):
    """A lost server is back; `outage` is in seconds."""

    service: str
    outage: float


class ServerFault(Event):
    """A server refused a call with a code that we do not know; `error` has its own words."""

    service: str
    code: str
    error: str


class LoopFailed(Event):
    """The loop of a service had an unexpected error; it goes on after a pause."""

    service: str
    error: BaseException


Listener = Callable[[Event], None]


class Events:
    """Passes each event to its listeners, at once and in order. Listeners must not block."""

    def __init__(self) -> None:
        self._subscriptions: list[tuple[Listener, Collection[type[Event]] | None]] = []
        self._listeners: dict[type[Event], tuple[Listener, ...]] = {}

    def subscribe(self, listener: Listener, kinds: Collection[type[Event]] | None = None) -> None:
        """Pass events of these `kinds`, or all events, to `listener`."""
        self._subscriptions.append((listener, kinds))
        self._listeners.clear()

    def replace(self, old: Listener, new: Listener, kinds: Collection[type[Event]] | None = None) -> None:
        """Pass events to `new` in place of `old`."""
        self._subscriptions = [
            (new, kinds) if listener is old else (listener, known) for listener, known in self._subscriptions
        ]
        self._listeners.clear()

    def emit(self, event: Event) -> None:
        kind = type(event)
        listeners = self._listeners.get(kind)
        if listeners is None:
            listeners = self._listeners[kind] = tuple(
                listener for listener, kinds in self._subscriptions if kinds is None or kind in kinds
            )
        for listener in listeners:
            listener(event)
