"""The part of a store that intake asks: accept tasks, and wait for replicas."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from enum import StrEnum

from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.value import Value

# One step of `accept_all`. A store serves nobody else meanwhile: Redis takes some 5 ms for 500 tasks.
ATOMIC_TASKS = 500
ATOMIC_BYTES = 8 * 1024 * 1024


class AcceptAnswer(StrEnum):
    """The result for one new task."""

    CREATED = "created"
    EXISTS = "exists"  # the same id, or the same key and fingerprint: nothing was written
    CONFLICT = "conflict"  # the same key with another fingerprint, or a deleted id: nothing was written
    HELD = "held"  # another task holds the dedup key: nothing was written


class Accepted(Value):
    """The answer to a `NewTask`; `id` is the id of the stored task, which may be an earlier one."""

    id: str
    answer: AcceptAnswer


class IntakeStore(ABC):
    """Accepts tasks."""

    @abstractmethod
    async def accept(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        """Write each record (status `scheduled`) and its due time, in one atomic step per task."""

    @abstractmethod
    async def accept_all(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        """As `accept`, in one atomic step for all: unless each is `CREATED`, nothing is written.

        The answers are then those that each would get alone. No two of the tasks, of which there are at most
        `ATOMIC_TASKS`, have the same id, key or dedup key.
        """

    @abstractmethod
    async def foresee(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        """What `accept_all` would answer. Writes nothing."""

    @abstractmethod
    async def check_replicas(self) -> None:
        """Check the replicas before writing something that depends on them.

        Raises `StoreUnfit` where the store is set up without replicas, `StoreUnavailable` while too few are
        connected.
        """

    @abstractmethod
    async def replicate(self, ids: Sequence[str]) -> None:
        """Return once the replicas have everything written before this call, including these records.

        Raises `WriteUnconfirmed` when too few replicas confirm in time, or when a failover has replaced the
        server by one that lacks a record; otherwise as `check_replicas`.
        """
