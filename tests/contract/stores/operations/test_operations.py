"""Operations: written in place of a known version only, listed the newest first, removed after their end."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from taskrunner.domain.keys.audit import Actor, AuditSource, new_audit_id
from taskrunner.domain.operations.bulk_operation import (
    BulkOperation,
    OperationAction,
    OperationProgress,
    OperationStatus,
    Refusal,
    RequeueSample,
    Resource,
    StopAt,
)
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.stores.base import Store, StoredOperation
from tests.contract.stores.harness import NOW

SECOND = timedelta(seconds=1)


def made(at: datetime = NOW, version: str = "v1", **changes: Any) -> StoredOperation:
    fields: dict[str, Any] = {
        "id": new_audit_id(at),
        "action": OperationAction.CANCEL,
        "resource": Resource.TASKS,
        "filter": TaskFilter(status=Status.QUEUED, labels={"team": None, "Zoë": "\U0001f600"}),
        "conditions": (("status", "queued"), ("label", "team")),
        "actor": Actor(source=AuditSource.API, key="ops"),
        "created_at": at,
    }
    return StoredOperation.of(BulkOperation(**(fields | changes)), version)


def changed(stored: StoredOperation, version: str, **changes: Any) -> StoredOperation:
    return made(version=version, **({"id": stored.id} | changes))


async def saved(store: Store, *several: StoredOperation) -> None:
    for each in several:
        assert await store.save_operation(each, expected=None)


async def every(store: Store, *, limit: int, namespace: str = "") -> list[StoredOperation]:
    """All operations, or those of a namespace, page by page."""
    found: list[StoredOperation] = []
    cursor = None
    while True:
        page = await store.list_operations(limit=limit, cursor=cursor, namespace=namespace)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


async def test_there_may_be_none(store: Store) -> None:
    assert await every(store, limit=10) == []
    assert await store.operation(new_audit_id(NOW)) is None
    assert list(await store.live_operations(limit=10)) == []
    assert await store.prune_operations(most=99, before=NOW, limit=10) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"ids": ("a", "team~b"), "filter": TaskFilter(namespace="team~")},
        {"rate": 0.5, "limit": 7, "stop_at": StopAt(percent=2.5), "dry_run": True},
        {"status": OperationStatus.RUNNING, "started_at": NOW, "runner": "r", "lease_until": NOW + SECOND},
        {
            "progress": OperationProgress(
                matched=3,
                done=1,
                skipped=1,
                failed=1,
                reasons=(Refusal(id="x", reason="it's \x00 gone"),),
                cursor="queued:17:x",
                sample=RequeueSample(watched=("a",), ended=2, failed=1),
            )
        },
        {"status": OperationStatus.FAILED, "ended_at": NOW + SECOND, "error": "no 'luck' \\"},
    ],
)
async def test_what_is_written_can_be_read(store: Store, changes: dict[str, Any]) -> None:
    """Every field."""
    stored = made(**changes)
    await saved(store, stored)

    found = await store.operation(stored.id)

    assert found == stored
    assert found is not None
    assert found.operation == stored.operation


async def test_only_the_known_version_is_replaced(store: Store) -> None:
    """Of two processes that both read it, one writes. Writing the same version twice is one write."""
    first = made()
    await saved(store, first, first)
    second, other = changed(first, "v2", limit=2), changed(first, "v3", limit=3)

    assert await store.save_operation(second, expected="v1")
    assert not await store.save_operation(other, expected="v1")
    assert not await store.save_operation(other, expected=None)
    assert await store.save_operation(second, expected="v1")

    assert await store.operation(first.id) == second


async def test_what_is_not_there_has_no_version(store: Store) -> None:
    """One that was removed meanwhile does not come back."""
    stored = made()
    assert not await store.save_operation(stored, expected="v0")
    assert await store.operation(stored.id) is None


async def test_one_of_many_writers_wins(store: Store) -> None:
    """A lease has one holder."""
    first = made()
    await saved(store, first)
    rivals = [changed(first, f"r{number}", runner=f"r{number}") for number in range(8)]

    won = await asyncio.gather(*(store.save_operation(each, expected="v1") for each in rivals))

    assert sum(won) == 1
    assert await store.operation(first.id) == rivals[won.index(True)]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_have_each_operation_once(store: Store, limit: int) -> None:
    """The newest first, whatever the order in which they came."""
    several = [made(NOW + place * SECOND) for place in (3, 0, 2, 2, 1, 5, 4)]
    await saved(store, *several)
    assert await every(store, limit=limit) == sorted(several, key=lambda each: each.id, reverse=True)


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_a_namespace_has_a_list_of_its_own(store: Store, limit: int) -> None:
    """No page and no cursor depends on what others have; who sees all sees these, too."""
    names = ("ann~", "", "bob~", "ann~", "", "ann~", "bob~")
    several = [
        made(NOW + place * SECOND, filter=TaskFilter(namespace=name)) for place, name in enumerate(names)
    ]
    await saved(store, *several)
    for name in ("ann~", "bob~", "an~"):
        own = [each for each in several if each.namespace == name]
        assert await every(store, limit=limit, namespace=name) == sorted(
            own, key=lambda each: each.id, reverse=True
        )
    assert len(await every(store, limit=limit)) == len(several)
    page = await store.list_operations(limit=3, cursor=None, namespace="ann~")
    assert page.cursor is None


async def test_a_removed_operation_leaves_its_namespace(store: Store) -> None:
    ended: dict[str, Any] = {"status": OperationStatus.COMPLETED, "ended_at": NOW}
    mine = TaskFilter(namespace="ann~")
    old, new = made(NOW, filter=mine, **ended), made(NOW + SECOND, filter=mine)
    await saved(store, old, new)
    assert await store.prune_operations(most=99, before=NOW + SECOND, limit=10) == 1
    assert await every(store, limit=1, namespace="ann~") == [new]


async def test_a_page_goes_on_behind_a_removed_operation(store: Store) -> None:
    """The one that the cursor names may be gone."""
    ended: dict[str, Any] = {"status": OperationStatus.COMPLETED, "ended_at": NOW}
    old, gone, new = made(NOW), made(NOW + SECOND, **ended), made(NOW + 2 * SECOND)
    await saved(store, old, gone, new)
    page = await store.list_operations(limit=2, cursor=None)
    assert await store.prune_operations(most=99, before=NOW + SECOND, limit=10) == 1

    rest = await store.list_operations(limit=2, cursor=page.cursor)

    assert (list(page.items), list(rest.items)) == ([new, gone], [old])


async def test_the_live_ones_are_found(store: Store) -> None:
    """The oldest first; an operation that ends is found no longer."""
    several = [made(NOW + place * SECOND) for place in range(4)]
    await saved(store, *reversed(several))
    ended = changed(several[1], "v2", status=OperationStatus.ABORTED, ended_at=NOW)
    assert await store.save_operation(ended, expected="v1")

    assert list(await store.live_operations(limit=10)) == [several[0], several[2], several[3]]
    assert list(await store.live_operations(limit=2)) == [several[0], several[2]]


async def test_ended_operations_are_removed_by_their_end(store: Store) -> None:
    """However long they ran; a live one is never removed."""
    live = made(NOW - timedelta(days=99))
    ends = [NOW - SECOND, NOW, NOW + SECOND]
    ended = [made(NOW - timedelta(days=9), status=OperationStatus.COMPLETED, ended_at=end) for end in ends]
    await saved(store, live, *ended)

    assert await store.prune_operations(most=99, before=NOW, limit=10) == 1
    assert {each.id for each in await every(store, limit=9)} == {live.id, ended[1].id, ended[2].id}
    assert await store.prune_operations(most=99, before=NOW + timedelta(days=1), limit=1) == 1
    assert await store.prune_operations(most=99, before=NOW + timedelta(days=1), limit=9) == 1
    assert await every(store, limit=9) == [live]
    assert await store.operation(ended[2].id) is None


async def test_only_the_last_to_end_are_kept(store: Store) -> None:
    """Whatever made thousands of operations cannot fill the store."""
    live = made(NOW)
    ended = [
        made(NOW + (9 - place) * SECOND, status=OperationStatus.COMPLETED, ended_at=NOW + place * SECOND)
        for place in range(5)
    ]
    await saved(store, live, *ended)

    assert await store.prune_operations(before=NOW - SECOND, most=3, limit=1) == 1
    assert await store.prune_operations(before=NOW - SECOND, most=3, limit=9) == 1
    assert await store.prune_operations(before=NOW - SECOND, most=3, limit=9) == 0
    assert {each.id for each in await every(store, limit=9)} == {live.id, *(each.id for each in ended[2:])}
