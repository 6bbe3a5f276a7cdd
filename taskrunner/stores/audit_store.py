"""The part of a store that keeps the audit entries."""

from abc import ABC, abstractmethod
from datetime import datetime

from taskrunner.domain.codec import Decoder
from taskrunner.domain.keys.audit import AuditEntry
from taskrunner.stores.values import Page

decode_audit_entry = Decoder(AuditEntry).decode


class AuditStore(ABC):
    """Entries are appended and read, never changed; only their retention removes them."""

    @abstractmethod
    async def append_audit(self, entry: AuditEntry) -> None:
        """Add an entry. One that is there already, by its id, is left as it is."""

    @abstractmethod
    async def audit_entries(self, *, limit: int, cursor: str | None) -> Page[AuditEntry]:
        """The newest first, by id. A cursor is the id of the last entry before the page."""

    @abstractmethod
    async def prune_audit(self, *, before: datetime, most: int, limit: int) -> int:
        """Remove up to `limit` of the entries from before `before`, and of those beyond the newest `most`.

        Answers how many were removed.
        """
