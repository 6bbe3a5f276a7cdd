"""The audit trail records what operators do, and finds it again.

An action that changed nothing leaves no entry. An entry that cannot be written is logged; the action stays.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import CallerError, StoreUnavailable
from taskrunner.domain.events import Events
from taskrunner.domain.keys.audit import Actor, AuditEntry, AuditFilter, first_audit_id, new_audit_id
from taskrunner.domain.process_events import AuditLost
from taskrunner.stores.base import AuditStore, Page

# Entries of one read, and reads of one call.
_BATCH = 500
_MAX_READS = 10


@dataclass
class Change:
    """What an action changes. Until the action counts, a success means one."""

    target: str = ""
    count: int | None = None
    lost: AuditLost | None = None

    def add(self, count: int) -> None:
        """So many more were changed."""
        self.count = (self.count or 0) + count


class AuditTrail:
    """See the module."""

    def __init__(self, store: AuditStore, events: Events, clock: Clock) -> None:
        self._store = store
        self._events = events
        self._clock = clock

    @asynccontextmanager
    async def recording(self, actor: Actor, action: str, target: str = "") -> AsyncIterator[Change]:
        """Record the action inside when it ends, also by an error or a cancellation halfway."""
        change = Change(target=target)
        try:
            yield change
        except CallerError:
            await self._record(actor, action, change, change.count or 0)
            raise
        except BaseException:
            await self._record(actor, action, change, change.count)
            raise
        await self._record(actor, action, change, 1 if change.count is None else change.count)

    async def append(self, entry: AuditEntry) -> AuditLost | None:
        """Append an entry that can be repeated; if the store refuses it, it is lost.

        Raises `StoreUnavailable`; then the same call goes on.
        """
        try:
            await self._store.append_audit(entry)
        except StoreUnavailable:
            raise
        except Exception as exc:  # noqa: BLE001 - the action stays, whatever is wrong with its entry
            lost = AuditLost(entry=entry, error=exc)
            self._events.emit(lost)
            return lost
        return None

    async def list(self, wanted: AuditFilter, *, limit: int, cursor: str | None) -> Page[AuditEntry]:
        """The newest first. With a condition, a page may have fewer than `limit` entries, and a cursor."""
        found: list[AuditEntry] = []
        if cursor is None and wanted.until is not None:
            cursor = first_audit_id(wanted.until)
        oldest = "" if wanted.since is None else first_audit_id(wanted.since)
        for _ in range(_MAX_READS):
            page = await self._store.audit_entries(limit=_BATCH, cursor=cursor)
            for place, entry in enumerate(page.items, start=1):
                if entry.id < oldest:
                    return Page(items=found, cursor=None)
                if wanted.matches(entry):
                    found.append(entry)
                if len(found) == limit:
                    at_end = place == len(page.items) and page.cursor is None
                    return Page(items=found, cursor=None if at_end else entry.id)
            cursor = page.cursor
            if cursor is None:
                break
        return Page(items=found, cursor=cursor)

    async def _record(self, actor: Actor, action: str, change: Change, count: int | None) -> None:
        if count == 0:
            return
        now = self._clock.now()
        entry = AuditEntry(
            id=new_audit_id(now),
            at=now,
            source=actor.source,
            key=actor.key,
            origin=actor.origin,
            action=action,
            target=change.target,
            count=count,
            request_id=actor.request_id,
        )
        try:
            await self._store.append_audit(entry)
        except BaseException as exc:
            change.lost = AuditLost(entry=entry, error=exc)
            self._events.emit(change.lost)
            if not isinstance(exc, Exception):
                raise
