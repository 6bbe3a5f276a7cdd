"""All errors that taskrunner raises, in one tree.

    TaskrunnerError
    ├── CallerError                 the caller must change something: HTTP 4xx, exit 2
    │   ├── FieldsInvalid           at least one field is invalid; all findings are listed
    │   │   ├── ConfigInvalid       the configuration is invalid
    │   │   ├── TaskInvalid         a submitted task breaks a rule
    │   │   │   ├── ExecutorNotKnown  it names an executor that there is not
    │   │   │   └── TaskTooLarge    it is larger than a request for it may be
    │   │   ├── ScheduleInvalid     a schedule breaks a rule
    │   │   ├── FilterInvalid       a condition of a filter cannot be read
    │   │   ├── HostLimitInvalid    a host limit breaks a rule
    │   │   ├── LeaseInvalid        a request of a worker breaks a rule
    │   │   ├── WebhookInvalid      a webhook breaks a rule
    │   │   ├── KeyInvalid          an API key breaks a rule
    │   │   ├── QueueInvalid        a queue breaks a rule
    │   │   ├── OperationInvalid    an operation breaks a rule
    │   │   ├── ExecutorInvalid     an executor breaks a rule
    │   │   └── HandlersInvalid     modules of handlers cannot be imported, or break a rule
    │   ├── EnvelopeUnreadable      a message is not a task
    │   ├── TaskUnknown             no task (or dead letter) has this id
    │   ├── AttemptUnknown          the task has no such attempt
    │   ├── ScheduleUnknown         no schedule has this name
    │   ├── HostNameUnknown         no host can have this name
    │   ├── HostLimitUnknown        no limit was set for this pattern
    │   ├── WebhookUnknown          no webhook has this name
    │   ├── KeyUnknown              no API key has this name
    │   ├── QuotaUsed               an API key has in the store what it may have
    │   │   ├── TooManyLiveTasks    as many tasks that have not ended
    │   │   └── TooManyStoredBytes  as many bytes of tasks and results
    │   ├── SessionUnknown          no session of the console has this id
    │   ├── OperationUnknown        no operation has this id
    │   ├── QueueUnknown            no queue has this name
    │   ├── ExecutorUnknown         no executor has this name
    │   ├── BatchRefused            an atomic batch has tasks that cannot be accepted
    │   └── StateConflict           the task's status does not allow this
    │       ├── ExecutorDisabled    new tasks of an executor are refused
    │       ├── KeyReused           an Idempotency-Key came with another request before
    │       └── DedupKeyHeld        another task holds the dedup key
    ├── OutsideError                a service failed: retry, HTTP 503, exit 3
    │   ├── BrokerUnavailable       RabbitMQ cannot be reached, or did not confirm in time
    │   ├── StoreUnavailable        the store cannot be reached, or cannot take writes
    │   │   └── WriteUnconfirmed    it took the write, but too few replicas confirmed it in time
    │   ├── StoreRefused            the store answers, and refused a call for a reason that we do not know
    │   └── ApiUnavailable          the API that a command uses cannot be reached
    └── SetupError                  a service is reachable, but not usable: exit 3
        ├── TopologyConflict        a queue or exchange exists with other arguments
        ├── StoreUnfit              the store's version, schema or settings cannot keep our promises
        ├── RecordUnreadable        what the store has of a task is damaged, or of an unknown version
        └── ApiUnfit                something else than a taskrunner API answers

A message names the thing, the value, what was expected and the next step. It never holds a secret.
"""

from collections.abc import Sequence
from typing import Self

from taskrunner.domain.value import Value


class TaskrunnerError(Exception):
    """The root of all our errors."""


class CallerError(TaskrunnerError):
    """The caller must change something."""


class FieldError(Value):
    """One finding; `field` is a dotted path such as `retry.base`.

    In the data of an executor it goes on with a JSON Pointer, as in `data/size/0`; `rule` is then the pointer
    of the keyword in the executor's schema.
    """

    field: str
    message: str
    rule: str | None = None

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class FieldsInvalid(CallerError):
    """One or more fields are invalid; `errors` has all findings."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(str(error) for error in self.errors))


class ConfigInvalid(FieldsInvalid):
    """The configuration is invalid."""


class TaskInvalid(FieldsInvalid):
    """A submitted task breaks at least one rule."""


class ExecutorNotKnown(TaskInvalid):
    """A submitted task names an executor that there is not, or that was made a moment ago."""


class TaskTooLarge(TaskInvalid):
    """A task of more bytes than a request for it may have."""


class ScheduleInvalid(FieldsInvalid):
    """A schedule breaks at least one rule."""


class FilterInvalid(FieldsInvalid):
    """At least one condition of a filter cannot be read."""


class HostLimitInvalid(FieldsInvalid):
    """A host limit, or its pattern, breaks at least one rule."""


class WebhookInvalid(FieldsInvalid):
    """A webhook breaks at least one rule."""


class ExecutorInvalid(FieldsInvalid):
    """An executor breaks at least one rule."""


class LeaseInvalid(FieldsInvalid):
    """A request of a worker of a remote executor breaks at least one rule."""


class KeyInvalid(FieldsInvalid):
    """An API key that somebody asks for breaks at least one rule."""


class OperationInvalid(FieldsInvalid):
    """An operation that somebody asks for breaks at least one rule."""


class HandlersInvalid(FieldsInvalid):
    """The modules of Python handlers cannot be imported, or register what breaks a rule."""

    @classmethod
    def of(cls, findings: Sequence[str]) -> Self:
        """Each finding names its place itself."""
        return cls([FieldError(field="", message=each) for each in findings])


class QueueInvalid(FieldsInvalid):
    """A queue that somebody declares breaks at least one rule."""


class EnvelopeUnreadable(CallerError):
    """A message is not a task: not JSON, not an object, or without a usable URL."""


class TaskUnknown(CallerError):
    """No task or dead letter has this id: it never existed, or its retention is over."""

    @classmethod
    def of(cls, task_id: str) -> Self:
        """For the id of a task."""
        return cls(f"no task has the id {task_id!r}: it never existed, or its retention is over")


class AttemptUnknown(CallerError):
    """The task has no attempt of this number, or none of the kind that is asked for."""


class ScheduleUnknown(CallerError):
    """No schedule has this name."""


class HostNameUnknown(CallerError):
    """No host, or pattern of hosts, can have this name."""


class HostLimitUnknown(CallerError):
    """The API has set no limit for this pattern; configured limits are changed in the configuration."""


class WebhookUnknown(CallerError):
    """No webhook has this name."""


class ExecutorUnknown(CallerError):
    """No executor has this name."""


class KeyUnknown(CallerError):
    """No API key has this name."""


class QuotaUsed(CallerError):
    """An API key has in the store what it may have."""

    def __init__(self, message: str, *, limit: int, free: int) -> None:
        self.limit = limit
        self.free = free
        super().__init__(message)


class TooManyLiveTasks(QuotaUsed):
    """An API key has as many tasks that have not ended as it may have."""


class TooManyStoredBytes(QuotaUsed):
    """The tasks of an API key, their results included, have as many bytes as they may have."""


class SessionUnknown(CallerError):
    """No session of the console has this id."""


class OperationUnknown(CallerError):
    """No operation has this id: it never existed, or its retention is over."""


class QueueUnknown(CallerError):
    """No queue has this name."""


class StateConflict(CallerError):
    """The current status of the task does not allow the request."""

    @classmethod
    def of_deleted(cls, task_id: str) -> Self:
        """For a request that is repeated."""
        return cls(f"task {task_id} was accepted for this request before and is deleted; use a new id or key")


class KeyReused(StateConflict):
    """An `Idempotency-Key` came with another request before."""


class DedupKeyHeld(StateConflict):
    """Another task holds the dedup key."""

    @classmethod
    def of(cls, holder: str, key: str) -> Self:
        """`holder` is the id of that task."""
        return cls(f"task {holder} holds the dedup key {key!r}; submit again once it has ended")


class ExecutorDisabled(StateConflict):
    """New tasks of an executor are refused, since an operator has disabled it."""

    @classmethod
    def of(cls, name: str) -> Self:
        return cls(f"the executor {name} is disabled; enable it, or submit the task later")


class BatchRefused(CallerError):
    """An atomic batch of which nothing was accepted; `refused` are the reasons by the number of the item."""

    def __init__(self, refused: Sequence[tuple[int, TaskInvalid | StateConflict]]) -> None:
        self.refused = refused
        number, error = refused[0]
        more = f", and {len(refused) - 1} more are refused" if len(refused) > 1 else ""
        super().__init__(f"nothing was accepted: task {number}: {error}{more}")


class OutsideError(TaskrunnerError):
    """A service failed; the same call may work later."""


class BrokerUnavailable(OutsideError):
    """The broker cannot be reached, is blocked, or did not confirm in time."""


class StoreUnavailable(OutsideError):
    """The store cannot be reached, or cannot take writes now."""


class StoreRefused(OutsideError):
    """The store answers, and refused a call for a reason that we do not know; its own code and words tell."""


class ApiUnavailable(OutsideError):
    """The API of another process cannot be reached, or cannot serve the request now."""


class WriteUnconfirmed(StoreUnavailable):
    """The store has the write, but too few replicas confirmed it in time; it may be lost in a failover."""


class SetupError(TaskrunnerError):
    """A service answers, but its setup is not usable; an operator must act."""


class TopologyConflict(SetupError):
    """A queue or exchange exists with other arguments than ours."""


class StoreUnfit(SetupError):
    """The store's version, schema or settings cannot keep our promises."""


class RecordUnreadable(SetupError):
    """What the store has of a task is damaged, or of a version that this program does not know."""


class ApiUnfit(SetupError):
    """Another program than taskrunner answers at the URL of an API."""
