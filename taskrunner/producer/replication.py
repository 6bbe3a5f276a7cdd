"""Replication: accepted tasks get a copy, and whoever submits together asks together."""

from collections.abc import Awaitable, Callable, Sequence

from taskrunner.domain.errors import FieldError, StoreUnavailable, StoreUnfit, TaskInvalid, WriteUnconfirmed
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.base import Store

# A question for a thousand is the same as for one.
_BATCH = 100_000
_NOT_KEPT = "replicated cannot be kept: the store is set up without replicas for it; use broker or store"


class Replication:
    """Asks the store about its replicas, before a task is written and after."""

    def __init__(self, store: Store) -> None:
        self._checks: Batcher[None, None] = Batcher(_once(store.check_replicas), limit=_BATCH)
        self._confirms: Batcher[None, None] = Batcher(_once(store.replicate), limit=_BATCH)

    async def check(self) -> None:
        """Raises `TaskInvalid` where the store has no replicas, `StoreUnavailable` while they are away."""
        try:
            await self._checks.submit(None)
        except StoreUnfit as exc:
            # Its own text names hosts, which are not for every client.
            raise TaskInvalid([FieldError(field="write_concern", message=_NOT_KEPT)]) from exc

    async def confirm(self) -> None:
        """Return once the replicas have what was written before. Raises `WriteUnconfirmed`."""
        try:
            await self._confirms.submit(None)
        except WriteUnconfirmed:
            raise
        except (StoreUnavailable, StoreUnfit) as exc:
            raise WriteUnconfirmed(str(exc)) from exc

    async def drain(self) -> None:
        """Wait for what is under way."""
        await self._checks.drain()
        await self._confirms.drain()


def _once(ask: Callable[[], Awaitable[None]]) -> Callable[[Sequence[None]], Awaitable[Sequence[None]]]:
    async def ask_for_all(waiting: Sequence[None]) -> Sequence[None]:
        await ask()
        return waiting

    return ask_for_all
