"""A store without replicas says so, whichever store it is."""

import pytest

from taskrunner.domain.errors import StoreUnfit, WriteUnconfirmed
from taskrunner.stores.base import Store
from tests.contract.stores.harness import Backend, FakeRedisBackend, entry, fetch


async def test_a_store_without_replicas_promises_none(store: Store, backend: Backend) -> None:
    """It is told before anything is written, and a write is not taken for confirmed."""
    if isinstance(backend, FakeRedisBackend):
        return  # it knows neither INFO replication nor WAIT
    with pytest.raises(StoreUnfit, match=r"replica|standby"):
        await store.check_replicas()
    with pytest.raises((StoreUnfit, WriteUnconfirmed)):
        await store.replicate([])
    new = entry()
    await store.accept([new])
    assert (await fetch(store, new.id)).attempt == 0
