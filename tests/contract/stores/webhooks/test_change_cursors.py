"""Cursors of the log of changes: each change is conditional on the cursor that it was made from."""

import asyncio
from datetime import timedelta

from taskrunner.domain.tasks.change import ChangeCursor, ChangeId
from taskrunner.domain.value import replace
from taskrunner.stores.base import Store
from tests.contract.stores.harness import NOW

CURSOR = ChangeCursor(
    name="webhooks", place=ChangeId(2**62, 7), holder="a", until=NOW + timedelta(milliseconds=1), secret="s"
)


async def test_what_is_saved_can_be_read(store: Store) -> None:
    """Beside webhooks and other named values, of which none is a cursor."""
    assert list(await store.change_cursors()) == []
    assert await store.save_change_cursor(CURSOR, expected=None)
    assert await store.change_cursors() == [CURSOR]
    assert list(await store.webhooks()) == []


async def test_of_two_that_read_one_the_second_is_refused(store: Store) -> None:
    """Also a removal; whoever did not hear the answer may ask again."""
    await store.save_change_cursor(CURSOR, expected=None)
    moved = replace(CURSOR, place=ChangeId(2**62, 8))
    for _ in range(2):
        assert await store.save_change_cursor(moved, expected=CURSOR)
    assert not await store.save_change_cursor(replace(CURSOR, holder="b"), expected=CURSOR)
    assert not await store.save_change_cursor(CURSOR, expected=None)
    assert not await store.delete_change_cursor(CURSOR)
    assert await store.change_cursors() == [moved]
    for _ in range(2):
        assert await store.delete_change_cursor(moved)
    assert list(await store.change_cursors()) == []


async def test_of_many_that_begin_a_single_one_wins(store: Store) -> None:
    many = [replace(CURSOR, holder=f"p{number}") for number in range(8)]
    answers = await asyncio.gather(*(store.save_change_cursor(each, expected=None) for each in many))
    assert sum(answers) == 1
    assert await store.change_cursors() == [many[answers.index(True)]]
