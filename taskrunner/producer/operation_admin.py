"""Operation administration: make, list, find and abort operations."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import OperationUnknown, StateConflict
from taskrunner.domain.keys.audit import Actor
from taskrunner.domain.operations.bulk_operation import BulkOperation, OperationStatus
from taskrunner.domain.operations.bulk_operation_draft import BulkOperationDraft
from taskrunner.domain.value import replace
from taskrunner.producer.operation_lease import LEASE, new_version
from taskrunner.producer.operation_run import MOST_RUNS
from taskrunner.stores.base import OperationStore, Page, StoredOperation

# Live operations of one isolated key, or of all that see everything; and of all together.
_MOST_LIVE = 10
_MAX_TRIES = 10


class OperationAdmin:
    """A `namespace` sees its own operations only; an empty one sees all. See `Submitter`."""

    def __init__(self, store: OperationStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        # Between the check and the save, no other request of this process makes one. Several processes may
        # exceed the limits by a few.
        self._making = asyncio.Lock()

    async def create(
        self,
        draft: BulkOperationDraft,
        actor: Actor,
        *,
        namespace: str = "",
        stored: Callable[[str], str] = str,
        runner: str | None = None,
    ) -> StoredOperation:
        """Make an operation, which begins at once; `runner` holds its lease from the start.

        Raises `OperationInvalid`, `StateConflict` (too many have not ended), `StoreUnavailable`.
        """
        now = self._clock.now()
        operation = draft.to_operation(actor, now=now, namespace=namespace, stored=stored)
        if runner is not None:
            operation = operation.leased(runner, now=now, until=now + timedelta(seconds=LEASE))
        made = StoredOperation.of(operation, new_version())
        async with self._making:
            await self._refuse_if_full(namespace)
            await self._store.save_operation(made, expected=None)
        return made

    async def find(self, operation_id: str, *, namespace: str = "") -> BulkOperation:
        """Raises `OperationUnknown`, `StoreUnavailable`."""
        return (await self._find(operation_id, namespace)).operation

    async def list(self, *, namespace: str = "", limit: int, cursor: str | None) -> Page[BulkOperation]:
        """The newest first."""
        page = await self._store.list_operations(limit=limit, cursor=cursor, namespace=namespace)
        return Page(items=[each.operation for each in page.items], cursor=page.cursor)

    async def abort(self, operation_id: str, *, namespace: str = "") -> BulkOperation:
        """Ask for its end, which follows within a second. What is done stays done.

        Raises `OperationUnknown`, `StateConflict` (it has ended), `StoreUnavailable`.
        """
        for _ in range(_MAX_TRIES):
            stored = await self._find(operation_id, namespace)
            operation = stored.operation
            if operation.status is OperationStatus.ABORTING:
                return operation
            if not operation.is_live:
                raise StateConflict(f"operation {operation_id} has ended: it is {operation.status}")
            aborting = replace(operation, status=OperationStatus.ABORTING)
            written = StoredOperation.of(aborting, new_version())
            if await self._store.save_operation(written, expected=stored.version):
                return aborting
        raise StateConflict(f"operation {operation_id} changed {_MAX_TRIES} times meanwhile; try again")

    async def _refuse_if_full(self, namespace: str) -> None:
        live = await self._store.live_operations(limit=MOST_RUNS)
        own = sum((each.namespace or "") == namespace for each in live)
        if own >= _MOST_LIVE or len(live) >= MOST_RUNS:
            whose = f"{own} of your operations" if own >= _MOST_LIVE else "too many operations"
            raise StateConflict(f"{whose} have not ended yet: wait until one has, or abort one")

    async def _find(self, operation_id: str, namespace: str) -> StoredOperation:
        stored = await self._store.operation(operation_id)
        if stored is None or not _sees(namespace, stored.operation):
            raise OperationUnknown(f"no operation has the id {operation_id!r}")
        return stored


def _sees(namespace: str, operation: BulkOperation) -> bool:
    return namespace in {"", operation.filter.namespace}
