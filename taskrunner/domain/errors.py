"""Every error that taskrunner raises on purpose, in one tree.

    TaskrunnerError
    ├── CallerError                 whoever called us must change something: HTTP 4xx, exit 2
    │   ├── FieldsInvalid           at least one field is wrong; all of them are told
    │   │   ├── ConfigInvalid       the configuration cannot be used
    │   │   ├── TaskInvalid         a submitted task breaks a rule
    │   │   ├── ScheduleInvalid     a schedule breaks a rule
    │   │   ├── FilterInvalid    a condition for choosing tasks cannot be read
    │   │   └── HostLimitInvalid    a limit for hosts breaks a rule
    │   ├── EnvelopeUnreadable      a message is no task
    │   ├── TaskUnknown             no task (or dead letter) has this id
    │   ├── ScheduleUnknown         no schedule has this name
    │   ├── HostLimitUnknown        no limit was given for this pattern
    │   └── StateConflict           the task's status does not allow this
    ├── OutsideError                the world around us failed: retry, HTTP 503, exit 3
    │   ├── BrokerUnavailable       RabbitMQ cannot be reached, or did not confirm in time
    │   ├── StoreUnavailable        the store cannot be reached, or cannot take writes
    │   │   └── WriteUnconfirmed    it took the write, but no replica confirmed that in time
    │   └── ApiUnavailable          the API that a command was sent to cannot be reached
    └── SetupError                  a service is there, but not as we need it: exit 3
        ├── TopologyConflict        a queue or exchange exists with other arguments
        └── StoreUnfit              the store's version, schema or settings cannot keep our promises

A message names the thing, the value, what was expected and the next step. It never holds a secret.
"""

from collections.abc import Sequence

from taskrunner.domain.value import Value


class TaskrunnerError(Exception):
    """The root: whoever catches it catches all of ours and nothing else."""


class CallerError(TaskrunnerError):
    """Whoever called us must change something."""


class FieldError(Value):
    """One thing that is wrong in one field; `field` is a dotted path such as `retry.base`."""

    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.field else self.message


class FieldsInvalid(CallerError):
    """Several fields can be wrong at once; all of them are told."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        super().__init__("; ".join(str(error) for error in self.errors))


class ConfigInvalid(FieldsInvalid):
    """The configuration cannot be used."""


class TaskInvalid(FieldsInvalid):
    """A submitted task breaks at least one rule."""


class ScheduleInvalid(FieldsInvalid):
    """A schedule breaks at least one rule."""


class FilterInvalid(FieldsInvalid):
    """At least one condition of a selection cannot be read."""


class HostLimitInvalid(FieldsInvalid):
    """A limit for hosts, or its pattern, breaks at least one rule."""


class EnvelopeUnreadable(CallerError):
    """A message is not a task: not JSON, not an object, or without a usable URL."""


class TaskUnknown(CallerError):
    """Nothing is stored under this id: it never was, or its retention is over."""


class ScheduleUnknown(CallerError):
    """No schedule has this name."""


class HostLimitUnknown(CallerError):
    """No limit was given for this pattern by the API; what the configuration says is changed there."""


class StateConflict(CallerError):
    """What was asked does not fit the status that the task has now."""


class OutsideError(TaskrunnerError):
    """The world around us failed; the same call may work later."""


class BrokerUnavailable(OutsideError):
    """The broker cannot be reached, is blocked, or did not confirm in time."""


class StoreUnavailable(OutsideError):
    """The store cannot be reached, or cannot take writes now."""


class ApiUnavailable(OutsideError):
    """The API of another process cannot be reached, or cannot do its work now."""


class WriteUnconfirmed(StoreUnavailable):
    """The store has the write and may act on it, but too few of its replicas confirmed it in time."""


class SetupError(TaskrunnerError):
    """A service answers, but is not set up as we need it; an operator must act."""


class TopologyConflict(SetupError):
    """A queue or exchange exists with other arguments than ours."""


class StoreUnfit(SetupError):
    """The store's version, schema or settings cannot keep what we promise."""
