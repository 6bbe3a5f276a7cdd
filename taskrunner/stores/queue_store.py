"""The part of a store that keeps the queues which the API or a command declared."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from taskrunner.domain.codec import Decoder
from taskrunner.domain.queues.declared_queues import StoredQueue

decode_queue = Decoder(StoredQueue).decode


class QueueStore(ABC):
    """Keeps queues by name. They are few: each read is of all."""

    @abstractmethod
    async def save_queue(self, queue: StoredQueue, *, expected: StoredQueue | None) -> bool:
        """Write a queue in place of `expected` (None: there is none of this name).

        False, and nothing written, if another stands there.
        """

    @abstractmethod
    async def queues(self) -> Sequence[StoredQueue]:
        """All stored queues, by name."""

    @abstractmethod
    async def delete_queue(self, expected: StoredQueue) -> bool:
        """Remove a queue; its tasks stay. False if another has its name; True if it is gone already."""

    @abstractmethod
    async def live_task_in(self, queue: str) -> str | None:
        """The id of a task of this queue that has not ended; None if there is none.

        A task that changes its status several times meanwhile may be missed.
        """
