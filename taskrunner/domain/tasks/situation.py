"""The situation of a task that is not running: all that an explanation rests on."""

from datetime import datetime

from taskrunner.domain.hosts.host_view import HostView
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.value import Value


class Pause(Value):
    """A pause in force; `by` if the audit has it."""

    scope: str
    since: datetime
    by: str | None = None


class QueueFacts(Value):
    """The queue of the task. `rate` is how many of its tasks end in a second now, None if nobody knows."""

    ready: int
    consumers: int
    rate: float | None = None


class Situation(Value):
    """All that the decision rests on.

    `host` and `queue` are None where they are not known, or not for the caller. `is_declared`: whether its
    queue is. `broker_error` is why this process cannot reach the broker, `broker_blocked` why the broker
    takes no publishes. Who may not see the tasks of others (`sees_all`) learns no numbers of theirs, no
    consumer and no name of another.
    """

    record: Record
    now: datetime
    pauses: tuple[Pause, ...] = ()
    host: HostView | None = None
    queue: QueueFacts | None = None
    is_declared: bool = True
    broker_error: str | None = None
    broker_blocked: str | None = None
    sees_all: bool = True
