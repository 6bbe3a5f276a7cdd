"""The settings of the relay and the scheduler. Durations are seconds."""

from taskrunner.domain.timing import HOLD, LEASE
from taskrunner.domain.value import Value

_POLL_INTERVAL = 0.5


class RelaySettings(Value):
    """After `max_attempts` failures to publish a batch, one turn leaves the batch in the due index.

    `lease` is the consumers' lease: for that long after an outage of the store, the relay rescues no task.
    """

    poll_interval: float = _POLL_INTERVAL
    batch_size: int = 500
    max_attempts: int = 3
    hold: float = HOLD
    forgotten_after: float = 300.0
    lease: float = LEASE


class SchedulerSettings(Value):
    """A slot up to `grace` ago is in time. One turn makes up for at most `catch_up` missed slots."""

    poll_interval: float = _POLL_INTERVAL
    grace: float = 60.0
    catch_up: int = 100
