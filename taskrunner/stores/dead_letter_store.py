"""The part of a store that the collector and operators ask about dead letters."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from taskrunner.domain.tasks.record import DeadLetter
from taskrunner.stores.values import Page


class DeadLetterStore(ABC):
    """Keeps unreadable messages, and lists them with the failed tasks."""

    @abstractmethod
    async def add_dead_messages(self, letters: Sequence[DeadLetter], *, retention: float) -> None:
        """Keep unreadable messages for `retention` seconds. Safe to repeat for the same ids."""

    @abstractmethod
    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """One dead letter, a failed task or a message, with its raw bytes; or None."""

    @abstractmethod
    async def list_dead_letters(
        self, *, limit: int, cursor: str | None, namespace: str = ""
    ) -> Page[DeadLetter]:
        """Dead letters, the latest first, without raw bytes. Raises `ValueError` for a foreign cursor.

        A `namespace` has a list of its own, as in `OperatorStore.list_tasks`, of failed tasks only: nobody
        knows whose a message was.
        """

    @abstractmethod
    async def remove_dead_message(self, letter_id: str) -> bool:
        """Remove a message (not a task) from the dead letters; False when it is not there."""
