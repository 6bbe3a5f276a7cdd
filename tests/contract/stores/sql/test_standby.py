"""What a PostgreSQL says of its synchronous standbys, with a real one."""

import asyncio

import asyncpg
import pytest

from taskrunner.domain.errors import StoreUnfit, WriteUnconfirmed
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.sql.store import SqlStore
from tests.contract.stores.harness import entry, status_of
from tests.tools.standby import Standby, require_standby
from tests.tools.stores import execute, sql_store
from tests.tools.waiting import PATIENCE, eventually

_WAITING = "SELECT pid FROM pg_stat_activity WHERE wait_event = 'SyncRep'"


async def test_a_standby_confirms(primary_url: str, standby: Standby) -> None:
    """Then it has what was written before, by whichever connection."""
    await require_standby(primary_url, "*")
    async with sql_store(primary_url, timeout=PATIENCE) as store:
        await store.check_replicas()
        new = entry()
        await store.accept([new])
        await store.replicate([new.id])
        assert await has_task(standby.url, new.id)
        with pytest.raises(WriteUnconfirmed, match="1 of 2 records"):
            await store.replicate([new.id, entry().id])


async def test_a_standby_that_is_away_does_not_confirm(primary_url: str, standby: Standby) -> None:
    """The write is told of as unconfirmed, other calls go on, and it confirms again when it is back."""
    await require_standby(primary_url, "*")
    async with sql_store(primary_url, timeout=5.0) as store:
        standby.down()
        new = entry()
        await store.accept([new])
        with pytest.raises(WriteUnconfirmed, match=r"no synchronous standby of .* within"):
            await store.replicate([])
        assert store.status().connected
        assert await status_of(store, new.id) is Status.SCHEDULED
        standby.up()
        await confirmed(store)


async def test_a_wait_that_is_cancelled_confirms_nothing(primary_url: str) -> None:
    """PostgreSQL then commits with a warning, which must not pass for a confirm."""
    await require_standby(primary_url, "nobody")
    async with sql_store(primary_url, timeout=PATIENCE) as store:
        asking = asyncio.create_task(store.replicate([]))
        pid = await waiting(primary_url)
        await execute(primary_url, f"SELECT pg_cancel_backend({pid})")
        with pytest.raises(WriteUnconfirmed, match="did not wait for its standby"):
            await asking


async def test_a_standby_that_is_no_longer_asked_for_confirms_nothing(primary_url: str) -> None:
    """All who wait are let go when the setting is emptied."""
    await require_standby(primary_url, "nobody")
    async with sql_store(primary_url, timeout=PATIENCE) as store:
        asking = asyncio.create_task(store.replicate([]))
        await waiting(primary_url)
        await require_standby(primary_url, "")
        with pytest.raises(StoreUnfit, match="set synchronous_standby_names"):
            await asking


async def has_task(url: str, task_id: str) -> bool:
    """What is on the standby's disk is visible a moment later."""
    connection = await asyncpg.connect(url)
    try:
        query = "SELECT id FROM taskrunner_tasks WHERE id = $1"
        await eventually(lambda: connection.fetchval(query, task_id))
    finally:
        await connection.close()
    return True


async def waiting(url: str) -> int:
    """The pid of the session that waits for a standby."""
    connection = await asyncpg.connect(url)
    try:
        await eventually(lambda: connection.fetchval(_WAITING))
        pid = await connection.fetchval(_WAITING)
    finally:
        await connection.close()
    return int(pid)


async def confirmed(store: SqlStore) -> None:
    """The standby takes a moment to find its primary again."""

    async def confirms() -> bool:
        try:
            await store.replicate([])
        except WriteUnconfirmed:
            return False
        return True

    await eventually(confirms)
