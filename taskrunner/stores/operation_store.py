"""The part of a store that keeps operations."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.codec import Decoder, encode
from taskrunner.domain.operations.bulk_operation import BulkOperation
from taskrunner.domain.value import Value
from taskrunner.stores.values import Page

_decode = Decoder(BulkOperation).decode


class StoredOperation(Value):
    """An operation in JSON. Each change gives it a new `version`; `ended_at` is None while it is live.

    `namespace` is that of the key that sees it, beside those who see all.
    """

    id: str
    version: str
    encoded: bytes
    ended_at: datetime | None
    namespace: str | None

    @classmethod
    def of(cls, operation: BulkOperation, version: str) -> "StoredOperation":
        return cls(
            id=operation.id,
            version=version,
            encoded=encode(operation),
            ended_at=operation.ended_at,
            namespace=operation.filter.namespace or None,
        )

    @property
    def operation(self) -> BulkOperation:
        return _decode(self.encoded)


class OperationStore(ABC):
    """Keeps operations. Their ids sort by the time at which they were made."""

    @abstractmethod
    async def save_operation(self, stored: StoredOperation, *, expected: str | None) -> bool:
        """Write an operation whose stored version is `expected` (None: there is none with this id).

        False, and nothing written, for any other version but the one that is to be written.
        """

    @abstractmethod
    async def operation(self, operation_id: str) -> StoredOperation | None:
        """One operation, or None."""

    @abstractmethod
    async def list_operations(
        self, *, limit: int, cursor: str | None, namespace: str = ""
    ) -> Page[StoredOperation]:
        """The newest first, of a namespace or of all. A cursor is the id of the last before the page."""

    @abstractmethod
    async def live_operations(self, *, limit: int) -> Sequence[StoredOperation]:
        """Up to `limit` that have not ended, the oldest first."""

    @abstractmethod
    async def prune_operations(self, *, before: datetime, most: int, limit: int) -> int:
        """Remove up to `limit` of those that ended before `before`, and of all but the last `most` to end.

        Answers how many were removed.
        """
