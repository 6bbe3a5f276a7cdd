"""The view of an audit entry."""

from collections.abc import Sequence
from typing import Self

from taskrunner.api.views.view import View
from taskrunner.domain.keys.audit import AuditEntry, AuditSource
from taskrunner.domain.tasks.task import AwareDatetime


class AuditEntryView(View):
    """What somebody did. `count` is null if the action ended with an error, and nobody knows."""

    id: str
    at: AwareDatetime
    source: AuditSource
    key: str | None
    origin: str | None
    action: str
    target: str
    count: int | None
    request_id: str | None

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        return cls.copy(entry)


class AuditPage(View):
    """Entries, the newest first."""

    entries: Sequence[AuditEntryView]
    next_cursor: str | None
