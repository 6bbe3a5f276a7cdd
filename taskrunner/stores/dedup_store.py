"""The part of a store that gives a dedup key to another task."""

from abc import ABC, abstractmethod
from datetime import datetime

from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.value import Value
from taskrunner.stores.intake_store import Accepted
from taskrunner.stores.values import AttemptRef


class Replaced(Value):
    """The answer to `replace`; `cancelled` if the task that held the key was."""

    accepted: Accepted
    cancelled: bool = False


class DedupStore(ABC):
    """Replaces the holders of dedup keys."""

    @abstractmethod
    async def replace(
        self, new: NewTask, holder: AttemptRef, *, now: datetime, error: str, retention: float
    ) -> Replaced:
        """Accept `new` in place of the task that holds its dedup key, in one atomic step.

        `holder` is cancelled as by `OperatorStore.cancel` if it waits for that attempt, and left as it is if
        it runs or has ended. Nothing is written, and the answer is `HELD`, if another task holds the key or
        `holder` waits for another attempt; else as by `accept`.
        """
