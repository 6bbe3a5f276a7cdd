"""The declared queues: those of the configuration, and over them those that the API or a command declared."""

from collections.abc import Mapping, Sequence
from enum import StrEnum

from taskrunner.domain.queues.queue import DEFAULT_WEIGHTS, MAX_QUEUES
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.domain.value import Value


class StoredQueue(Value):
    """A queue that the API or a command declared."""

    name: str
    weight: int
    created_at: AwareDatetime
    updated_at: AwareDatetime


class QueueOrigin(StrEnum):
    """Who declared a queue, and so where it is changed."""

    CONFIGURATION = "configuration"
    API = "api"  # also a command, which writes to the same store


class DeclaredQueue(Value):
    """A queue in force."""

    name: str
    weight: int
    declared_by: QueueOrigin


class DeclaredQueues:
    """The queues that this process knows. A watch sets the stored ones, a reload those of the configuration.

    `stored` is None until the store was read. A stored queue goes before one of the configuration of the same
    name. `refused` are the queues that the broker lacks and refuses to declare, with its reason.
    """

    def __init__(self, configured: Mapping[str, int] = DEFAULT_WEIGHTS) -> None:
        self.configured = configured
        self.stored: tuple[StoredQueue, ...] | None = None
        self.refused: Mapping[str, str] = {}

    def configure(self, weights: Mapping[str, int]) -> None:
        """Replace those of the configuration; the three that always exist are among them."""
        self.configured = weights

    def set_stored(self, stored: Sequence[StoredQueue]) -> None:
        """Replace those that the store has."""
        self.stored = tuple(stored)

    @property
    def queues(self) -> Mapping[str, DeclaredQueue]:
        """By name: first those of the configuration, in its order."""
        found = {
            name: DeclaredQueue(name=name, weight=weight, declared_by=QueueOrigin.CONFIGURATION)
            for name, weight in self.configured.items()
        }
        for each in self.stored or ():
            found[each.name] = DeclaredQueue(name=each.name, weight=each.weight, declared_by=QueueOrigin.API)
        return found

    @property
    def weights(self) -> Mapping[str, int]:
        """The turns that each queue gets while all have tasks waiting."""
        return {name: queue.weight for name, queue in self.queues.items()}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.queues)

    @property
    def is_full(self) -> bool:
        """Whether no further queue may be declared."""
        return len(self.queues) >= MAX_QUEUES
