"""Audit entries: appended, read the newest first, and removed by age and number only."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from taskrunner.domain.keys.audit import AuditEntry, AuditSource, first_audit_id, new_audit_id
from taskrunner.domain.value import replace
from taskrunner.stores.base import Store
from tests.contract.stores.harness import NOW

SECOND = timedelta(seconds=1)


def entry(at: datetime = NOW, /, **changes: Any) -> AuditEntry:
    made = AuditEntry(
        id=new_audit_id(at),
        at=at,
        source=AuditSource.API,
        key="ops",
        origin="192.0.2.1",
        action="tasks.cancel",
        target="label=team=Zoë",
        count=3,
        request_id="r-1",
    )
    return replace(made, **changes)


async def appended(store: Store, number: int) -> list[AuditEntry]:
    """So many entries, a second apart; the newest first."""
    made = [entry(NOW + place * SECOND, count=place) for place in range(number)]
    for each in made:
        await store.append_audit(each)
    return made[::-1]


async def every(store: Store, *, limit: int) -> list[AuditEntry]:
    """All entries, page by page."""
    found: list[AuditEntry] = []
    cursor = None
    while True:
        page = await store.audit_entries(limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        found += page.items
        cursor = page.cursor
        if cursor is None:
            return found


async def test_there_may_be_none(store: Store) -> None:
    assert await every(store, limit=10) == []
    assert await store.prune_audit(before=NOW, most=10, limit=10) == 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"source": AuditSource.CLI, "key": None, "origin": "root@db-1", "request_id": None},
        {"count": None, "target": ""},
        {"target": "a'b\"c\\ \x00 \U0001f600"},
    ],
)
async def test_what_is_appended_can_be_read(store: Store, changes: dict[str, Any]) -> None:
    """Every field."""
    made = entry(**changes)
    await store.append_audit(made)
    assert await every(store, limit=10) == [made]


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
async def test_pages_have_each_entry_once(store: Store, limit: int) -> None:
    """The newest first, whatever the order in which they came."""
    made = [entry(NOW + place * SECOND) for place in (3, 0, 2, 2, 1, 5, 4)]
    for each in made:
        await store.append_audit(each)
    assert await every(store, limit=limit) == sorted(made, key=lambda each: each.id, reverse=True)


async def test_a_new_entry_does_not_move_a_page(store: Store) -> None:
    """The second page goes on where the first one ended, and so if that entry is gone."""
    made = await appended(store, 4)
    first = await store.audit_entries(limit=2, cursor=None)
    await store.append_audit(entry(NOW + 9 * SECOND))
    second = await store.audit_entries(limit=2, cursor=first.cursor)
    assert [*first.items, *second.items] == made
    assert await store.prune_audit(before=made[1].at + SECOND, most=10, limit=10) == 3
    assert list((await store.audit_entries(limit=2, cursor=first.cursor)).items) == []


async def test_a_page_can_begin_at_a_moment(store: Store) -> None:
    """With the first id of that moment as its cursor."""
    made = await appended(store, 4)
    page = await store.audit_entries(limit=9, cursor=first_audit_id(made[1].at))
    assert list(page.items) == made[2:]


async def test_an_entry_is_appended_once(store: Store) -> None:
    """Whoever did not hear the answer appends it again; nothing is overwritten."""
    made = entry()
    await store.append_audit(made)
    await store.append_audit(made)
    await store.append_audit(replace(made, count=99))
    assert await every(store, limit=10) == [made]


async def test_old_entries_are_removed(store: Store) -> None:
    """Those from before the moment, the oldest first, up to the limit."""
    made = await appended(store, 5)
    before = made[1].at
    assert await store.prune_audit(before=before, most=10, limit=2) == 2
    assert await every(store, limit=10) == made[:3]
    assert await store.prune_audit(before=before, most=10, limit=2) == 1
    assert await store.prune_audit(before=before, most=10, limit=2) == 0
    assert await every(store, limit=10) == made[:2]


@pytest.mark.parametrize(("most", "left"), [(5, 5), (4, 4), (1, 1), (6, 5)])
async def test_only_so_many_are_kept(store: Store, most: int, left: int) -> None:
    """The newest ones, however young the others are."""
    made = await appended(store, 5)
    assert await store.prune_audit(before=NOW - SECOND, most=most, limit=10) == 5 - left
    assert await every(store, limit=10) == made[:left]
    assert await store.prune_audit(before=NOW - SECOND, most=most, limit=10) == 0
