"""The part of a store that keeps executors."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from taskrunner.domain.codec import Decoder
from taskrunner.domain.executors.executor import Executor

decode_executor = Decoder(Executor).decode


class ExecutorStore(ABC):
    """Keeps executors by name. They are few: each read is of all."""

    @abstractmethod
    async def save_executor(self, executor: Executor, *, expected: Executor | None) -> bool:
        """Write an executor in place of `expected` (None: there is none of this name).

        False, and nothing written, if another stands there.
        """

    @abstractmethod
    async def executors(self) -> Sequence[Executor]:
        """All executors, by name."""

    @abstractmethod
    async def delete_executor(self, expected: Executor) -> bool:
        """Remove this executor. False, and nothing removed, if another has its name."""
