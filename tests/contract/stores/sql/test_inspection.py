"""Every inconsistency of rows that a hand or half a backup can leave behind is found, and put right."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing

import pytest

from taskrunner.domain.tasks.status import LIVE, TERMINAL, Status
from taskrunner.stores.base import AcceptAnswer, Store
from taskrunner.stores.inspection_store import Flaw
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    PostgresBackend,
    SqliteBackend,
    bring,
    entry,
    fetch,
    make_task,
)
from tests.tools.stores import execute
from tests.tools.waiting import PATIENCE

Raw = Callable[[str], Awaitable[None]]
LEASE = NOW + DAY


@pytest.fixture(params=["sqlite", "postgres"])
async def backend(request: pytest.FixtureRequest) -> AsyncIterator[SqliteBackend | PostgresBackend]:
    sqlite = request.param == "sqlite"
    backend = SqliteBackend() if sqlite else PostgresBackend(request.getfixturevalue("postgres_url"))
    yield backend
    await backend.close()


@pytest.fixture
async def store(backend: SqliteBackend | PostgresBackend) -> Store:
    return await backend.open()


@pytest.fixture
def raw(backend: SqliteBackend | PostgresBackend) -> Raw:
    """Runs a statement past the store."""

    async def run(statement: str) -> None:
        if isinstance(backend, PostgresBackend):
            await execute(backend.url, statement)
            return
        with closing(sqlite3.connect(backend.path, timeout=PATIENCE)) as connection, connection:
            connection.execute(statement)

    return run


async def findings(store: Store) -> list[tuple[str, Flaw]]:
    found: list[tuple[str, Flaw]] = []
    cursor: str | None = None
    while True:
        page = await store.inspect(cursor=cursor, limit=2)
        found += [(each.id, each.flaw) for each in page.flawed]
        cursor = page.cursor
        if cursor is None:
            return found


async def heal(store: Store, task_id: str) -> list[bool]:
    """Twice: the second repair has nothing to do."""
    moments = {"now": NOW, "lease_until": LEASE}
    done = [(await store.repair([task_id], **moments, retention=KEEP))[0] for _ in range(2)]
    assert await findings(store) == []
    return done


@pytest.mark.parametrize("status", sorted(LIVE))
async def test_a_live_task_that_is_not_due(store: Store, raw: Raw, status: Status) -> None:
    """It is due again; one that runs gets a lease, since its consumer may be alive."""
    task_id = await bring(store, status)
    await raw("UPDATE taskrunner_tasks SET due_ms = NULL")
    assert await findings(store) == [(task_id, Flaw.NOT_DUE)]
    assert await heal(store, task_id) == [True, False]
    assert (await fetch(store, task_id)).due == (LEASE if status is Status.RUNNING else NOW)


@pytest.mark.parametrize("status", sorted(TERMINAL - {Status.CANCELLED}))
async def test_a_finished_task_that_is_due(store: Store, raw: Raw, status: Status) -> None:
    task_id = await bring(store, status)
    await raw("UPDATE taskrunner_tasks SET due_ms = 1")
    assert await findings(store) == [(task_id, Flaw.DUE_THOUGH_ENDED)]
    assert await heal(store, task_id) == [True, False]
    assert await store.overdue(before=NOW + DAY, limit=9) == []


async def test_a_finished_task_that_would_stay_for_ever(store: Store, raw: Raw) -> None:
    task_id = await bring(store, Status.SUCCEEDED)
    await raw("UPDATE taskrunner_tasks SET kept_until_ms = NULL")
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    assert await store.prune(now=NOW + DAY, limit=9) == 1


async def test_a_live_task_that_would_go_by_itself(store: Store, raw: Raw) -> None:
    task_id = await bring(store, Status.QUEUED)
    await raw("UPDATE taskrunner_tasks SET kept_until_ms = 1")
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    assert await store.prune(now=NOW + DAY, limit=9) == 0


@pytest.mark.parametrize(
    ("task_id", "namespace"), [("mine~a", "NULL"), ("mine~a", "'theirs~'"), ("a", "'a~'")]
)
async def test_a_task_in_the_wrong_namespace(store: Store, raw: Raw, task_id: str, namespace: str) -> None:
    """Only its own key is to find it."""
    await bring(store, Status.QUEUED, task=make_task(id=task_id))
    await raw(f"UPDATE taskrunner_tasks SET namespace = {namespace}")
    assert await findings(store) == [(task_id, Flaw.MISFILED)]
    assert await heal(store, task_id) == [True, False]
    for each in ("mine~", "theirs~", "a~"):
        page = await store.list_tasks(None, limit=9, cursor=None, namespace=each)
        assert [record.task.id for record in page.items] == [task_id] * task_id.startswith(each)


async def test_a_task_whose_request_is_gone(store: Store, raw: Raw) -> None:
    """Nobody knows what it was to fetch; it is counted no longer."""
    task_id = await bring(store, Status.QUEUED)
    await raw("DELETE FROM taskrunner_encoded_tasks")
    assert await findings(store) == [(task_id, Flaw.NO_RECORD)]
    assert await heal(store, task_id) == [True, False]
    assert set((await store.counts()).values()) == {0}


async def test_parts_of_a_task_whose_row_is_gone(store: Store, raw: Raw) -> None:
    """Told once; with them gone its id is free again."""
    task_id = await bring(store, Status.SUCCEEDED)
    await raw("DELETE FROM taskrunner_tasks")
    assert await findings(store) == [(task_id, Flaw.NO_RECORD)]
    assert await heal(store, task_id) == [True, False]
    (answer,) = await store.accept([entry(make_task(id=task_id))])
    assert answer.answer is AcceptAnswer.CREATED
