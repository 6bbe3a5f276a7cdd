"""The lease of an operation: the process that holds it is the only one that writes the operation.

Law: a state is saved before the next one is made, and only in place of what this process saved before.
"""

import secrets
from datetime import timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.keys.audit import AuditEntry, audit_id_of
from taskrunner.domain.operations.bulk_operation import BulkOperation, OperationStatus
from taskrunner.domain.process_events import AuditLost
from taskrunner.domain.value import replace
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.stores.base import OperationStore, StoredOperation

# Seconds. Another process goes on this long after the one that held the lease died.
LEASE = 30.0


def new_version() -> str:
    """For each change of a stored operation."""
    return secrets.token_hex(8)


class OperationLease:
    """`operation` is the state as this process knows it; `lost` an audit entry that could not be written.

    `holder` is the name of this process, `saved_at` when it last wrote, by the monotonic clock.
    """

    def __init__(
        self, store: OperationStore, trail: AuditTrail, clock: Clock, stored: StoredOperation, holder: str
    ) -> None:
        self._store = store
        self._trail = trail
        self._clock = clock
        self._holder = holder
        self._version: str | None = stored.version
        self._unsaved: StoredOperation | None = None
        self.lost: AuditLost | None = None
        self.saved_at = clock.monotonic()
        self.operation = stored.operation

    def notice(self, stored: StoredOperation) -> None:
        """Take over what another process has written: it may have asked for the end."""
        found = stored.operation
        if (
            self._unsaved is None
            and found.runner == self._holder
            and found.status is OperationStatus.ABORTING
        ):
            self._version = stored.version
            self.operation = replace(self.operation, status=OperationStatus.ABORTING)

    async def save(self, operation: BulkOperation, *, release: bool = False) -> bool:
        """Write the operation, with the lease renewed while it is live; False if the lease was lost."""
        now = self._clock.now()
        if operation.is_live and not release:
            until = now + timedelta(seconds=LEASE)
            operation = operation.leased(self._holder, now=now, until=until)
        elif operation.is_live:
            operation = operation.released()
        return await self._write(StoredOperation.of(operation, new_version()))

    async def save_again(self) -> bool:
        """Repeat a write whose answer was lost, if there was one; False if the lease was lost."""
        return self._unsaved is None or await self._write(self._unsaved)

    async def _write(self, stored: StoredOperation) -> bool:
        """A write whose answer is lost is repeated by `save_again`."""
        self._unsaved = stored
        if not stored.operation.is_live:
            # Before the end is saved: a crash in between must not leave an operation without its entry.
            self.lost = await self._audit(stored.operation, self.operation.target)
        while not await self._store.save_operation(stored, expected=self._version):
            found = await self._store.operation(stored.id)
            if found is None or found.operation.status is not OperationStatus.ABORTING:
                return False
            if found.operation.runner != self._holder:
                return False
            # Somebody asked for its end meanwhile: the step that was under way counts.
            self._version = found.version
            if stored.operation.is_live:
                aborting = replace(stored.operation, status=OperationStatus.ABORTING)
                self._unsaved = stored = StoredOperation.of(aborting, new_version())
        self._version, self._unsaved = stored.version, None
        self.saved_at = self._clock.monotonic()
        self.operation = stored.operation
        return True

    async def _audit(self, operation: BulkOperation, target: str) -> AuditLost | None:
        """As if the action had been a request of its own; a dry run changed nothing.

        Repeated with its end, it is the same entry. `target` is from before the end, which takes the ids
        away.
        """
        if not operation.progress.done or operation.ended_at is None:
            return None
        actor = operation.actor
        entry = AuditEntry(
            id=audit_id_of(operation.id, operation.ended_at),
            at=operation.ended_at,
            source=actor.source,
            key=actor.key,
            origin=actor.origin,
            action=f"{operation.resource}.{operation.action}",
            target=target,
            count=operation.progress.done,
            request_id=actor.request_id,
        )
        return await self._trail.append(entry)
