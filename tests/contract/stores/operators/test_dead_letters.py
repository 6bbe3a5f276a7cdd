"""Dead letters: failed tasks and unreadable messages in one list, the latest first."""

from datetime import timedelta

import pytest

from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.stores.base import Store
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    bring,
    claim,
    entries,
    message,
    ref,
    settle,
    settling,
)


async def all_letters(store: Store, limit: int) -> list[DeadLetter]:
    letters: list[DeadLetter] = []
    cursor: str | None = None
    for _ in range(1000):
        page = await store.list_dead_letters(limit=limit, cursor=cursor)
        assert len(page.items) <= limit
        letters += page.items
        cursor = page.cursor
        if cursor is None:
            return letters
    raise AssertionError("the list does not end")


async def test_a_message_can_be_read_back(store: Store) -> None:
    """Its raw bytes come with it when it is asked for, but not in the list."""
    letter = message("m1", url="http://x/", attempt=2)
    await store.add_dead_messages([letter], retention=KEEP)
    assert await store.dead_letter("m1") == letter
    (listed,) = await all_letters(store, 5)
    assert listed == replace(letter, raw=None)


async def test_a_message_of_which_little_is_known(store: Store) -> None:
    """What is not there is None; empty bytes are bytes."""
    letter = message("m1", error=None, queue=None, x_death=None, raw=b"")
    await store.add_dead_messages([letter], retention=KEEP)
    assert await store.dead_letter("m1") == letter


async def test_a_failed_task_is_a_dead_letter(store: Store) -> None:
    """With the error of its last attempt, whose outcome is the reason."""
    task_id = await bring(store, Status.FAILED)
    letter = await store.dead_letter(task_id)
    assert letter == DeadLetter(
        id=task_id,
        kind=DeadLetterKind.TASK,
        reason=OutcomeKind.TIMEOUT,
        error="the target did not answer within 30 s",
        died_at=NOW,
        queue="medium",
        url="https://target.example/path?q=1",
        attempt=1,
        outcome=OutcomeKind.TIMEOUT,
        created_at=NOW,
    )
    assert await all_letters(store, 5) == [letter]


async def test_a_task_that_failed_without_a_run_tells_why(store: Store) -> None:
    """The reason is the one that was given."""
    task_id = await bring(store, Status.QUEUED)
    await store.fail([ref(task_id)], now=NOW, reason="delivery_limit", error="20 deliveries", retention=KEEP)
    letter = await store.dead_letter(task_id)
    assert letter is not None
    assert (letter.reason, letter.error, letter.attempt) == ("delivery_limit", "20 deliveries", 0)


async def test_a_task_that_failed_by_a_verdict_tells_its_reason(store: Store) -> None:
    """It is more than what the last attempt came to, and goes with a requeue."""
    task_id = await bring(store, Status.RUNNING)
    await settle(store, settling(task_id, 1, Status.FAILED, reason="unknown"))
    record = await store.get(task_id)
    assert record is not None
    assert (record.reason, record.attempts[0].outcome) == ("unknown", OutcomeKind.TIMEOUT)
    (letter,) = (await store.list_dead_letters(limit=10, cursor=None)).items
    assert (letter.reason, letter.outcome) == ("unknown", OutcomeKind.TIMEOUT)

    await store.requeue([task_id], now=NOW, due=NOW)

    record = await store.get(task_id)
    assert record is not None
    assert record.reason is None


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.FAILED}))
async def test_no_other_task_is_a_dead_letter(store: Store, status: Status) -> None:
    """Dead letters are exactly the failed tasks and the messages."""
    task_id = await bring(store, status)
    assert await store.dead_letter(task_id) is None
    assert await all_letters(store, 5) == []


async def test_a_requeued_task_is_no_dead_letter_any_more(store: Store) -> None:
    """It is one again only when it fails again, with the new reason."""
    task_id = await bring(store, Status.QUEUED)
    await store.fail([ref(task_id)], now=NOW, reason="delivery_limit", error="e", retention=KEEP)
    await store.requeue([task_id], now=NOW, due=NOW)
    assert await store.dead_letter(task_id) is None
    assert await all_letters(store, 5) == []
    await claim(store, [ref(task_id)])
    await settle(store, settling(task_id, 1, Status.FAILED))
    letter = await store.dead_letter(task_id)
    assert letter is not None
    assert letter.reason == OutcomeKind.TIMEOUT


async def test_a_message_and_a_task_under_one_id(store: Store) -> None:
    """Both are listed; a message is removed without touching the task."""
    task_id = await bring(store, Status.FAILED)
    await store.add_dead_messages([message(task_id)], retention=KEEP)
    assert {letter.kind for letter in await all_letters(store, 5)} == set(DeadLetterKind)
    assert await store.remove_dead_message(task_id)
    assert [letter.kind for letter in await all_letters(store, 5)] == [DeadLetterKind.TASK]
    assert await store.get(task_id) is not None


async def test_burying_again_changes_nothing(store: Store) -> None:
    """A collector that did not hear the answer may repeat the call."""
    letters = [message("m1"), message("m2")]
    await store.add_dead_messages(letters, retention=KEEP)
    before = await all_letters(store, 5)
    await store.add_dead_messages(letters, retention=KEEP)
    assert await all_letters(store, 5) == before


async def test_only_messages_can_be_buried(store: Store) -> None:
    """A task becomes a dead letter by failing."""
    with pytest.raises(ValueError, match="is a task"):
        await store.add_dead_messages([message("t", kind=DeadLetterKind.TASK)], retention=KEEP)


async def test_only_messages_can_be_exhumed(store: Store) -> None:
    """Once; neither a failed task nor an unknown id counts."""
    task_id = await bring(store, Status.FAILED)
    await store.add_dead_messages([message("m1")], retention=KEEP)
    assert [await store.remove_dead_message(name) for name in ("m1", "m1", task_id, "nobody")] == [True] + [
        False
    ] * 3
    assert await store.dead_letter("m1") is None
    assert await store.dead_letter(task_id) is not None


@pytest.mark.parametrize("limit", [1, 3, 100])
async def test_pages_hold_every_letter_once_the_latest_first(store: Store, limit: int) -> None:
    """Also where many died at the same moment."""
    moments = [NOW + timedelta(milliseconds=offset) for offset in (5, 1, 1, 1, 1, 9, 1)]
    letters = [message(f"m{number}", died_at=died) for number, died in enumerate(moments)]
    await store.add_dead_messages(letters, retention=KEEP)
    task_id = await bring(store, Status.FAILED)
    found = await all_letters(store, limit)
    assert sorted(letter.id for letter in found) == sorted([task_id, *(letter.id for letter in letters)])
    assert [letter.died_at for letter in found] == sorted([NOW, *moments], reverse=True)


@pytest.mark.parametrize("gone", ["m2", "m4"])
async def test_a_page_goes_on_where_a_letter_is_gone(store: Store, gone: str) -> None:
    """The cursor still leads to what comes after it, also within one moment."""
    await store.add_dead_messages([message(f"m{number}") for number in range(6)], retention=KEEP)
    whole = [letter.id for letter in await all_letters(store, 10)]
    position = whole.index(gone)
    page = await store.list_dead_letters(limit=position + 1, cursor=None)
    await store.remove_dead_message(gone)
    rest = await store.list_dead_letters(limit=10, cursor=page.cursor)
    assert [letter.id for letter in rest.items] == whole[position + 1 :]


async def test_a_cursor_that_is_none_of_ours(store: Store) -> None:
    """It is refused rather than taken for the beginning."""
    with pytest.raises(ValueError, match="cursor"):
        await store.list_dead_letters(limit=10, cursor="what?")


async def test_messages_go_after_their_retention(store: Store) -> None:
    """Pruned from the list and from the store."""
    await store.add_dead_messages([message("m1"), message("m2", died_at=NOW + DAY)], retention=KEEP)
    assert await store.prune(now=NOW + timedelta(seconds=KEEP), limit=10) == 1
    assert await store.dead_letter("m1") is None
    assert [letter.id for letter in await all_letters(store, 5)] == ["m2"]


@pytest.mark.parametrize("size", [0, 1, 1000])
async def test_batches_of_messages(store: Store, size: int) -> None:
    """None, one or a thousand."""
    await store.add_dead_messages([message(f"m{number}") for number in range(size)], retention=KEEP)
    assert len(await all_letters(store, 300)) == size


async def test_a_thousand_failed_tasks(store: Store) -> None:
    """They died in the same moment, and page through once each."""
    tasks = entries(1000)
    await store.accept(tasks)
    await claim(store, [ref(new.id) for new in tasks])
    await store.settle([settling(new.id, 1, Status.FAILED) for new in tasks], now=NOW)
    found = await all_letters(store, 170)
    assert sorted(letter.id for letter in found) == sorted(new.id for new in tasks)
