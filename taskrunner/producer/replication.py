"""Replication: waits until replicas of the store have accepted tasks, in batches."""

from collections.abc import Sequence
from itertools import chain

from taskrunner.domain.errors import FieldError, StoreUnavailable, StoreUnfit, TaskInvalid, WriteUnconfirmed
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import IntakeStore

# A check for a thousand tasks costs about as much as for one.
_BATCH = 10_000
_NOT_KEPT = "replicated cannot be kept: the store is set up without replicas for it; use broker or store"


class Replication:
    """Asks the store about its replicas, before and after a task is written."""

    def __init__(self, store: IntakeStore) -> None:
        self._store = store
        self._checks: Batcher[None, None] = Batcher(self._check, limit=_BATCH)
        self._confirms: Batcher[Sequence[str], None] = Batcher(self._replicate, limit=_BATCH)

    async def check(self) -> None:
        """Raises `TaskInvalid` where the store has no replicas, `StoreUnavailable` while they are away."""
        try:
            await self._checks.submit(None)
        except StoreUnfit as exc:
            # The text of `StoreUnfit` names hosts, which clients must not see.
            raise TaskInvalid([FieldError(field="write_concern", message=_NOT_KEPT)]) from exc

    async def confirm(self, ids: Sequence[str]) -> None:
        """Return once the replicas have these tasks. Raises `WriteUnconfirmed`."""
        try:
            await self._confirms.submit(ids)
        except WriteUnconfirmed:
            raise
        except (StoreUnavailable, StoreUnfit) as exc:
            raise WriteUnconfirmed(str(exc)) from exc

    async def drain(self) -> None:
        """Wait for the checks and confirms under way."""
        await self._checks.drain()
        await self._confirms.drain()

    async def _check(self, waiting: Sequence[None]) -> Sequence[None]:
        await self._store.check_replicas()
        return waiting

    async def _replicate(self, waiting: Sequence[Sequence[str]]) -> Sequence[None]:
        await self._store.replicate(list(chain.from_iterable(waiting)))
        return [None] * len(waiting)
