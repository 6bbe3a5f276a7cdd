"""The status table: each change happens from every status that allows it, and from no other."""

from datetime import timedelta

import pytest

from taskrunner.domain.tasks.status import CLAIMABLE, FOLLOWERS, LIVE, TERMINAL, Status
from taskrunner.stores.base import ClaimAnswer, Store
from tests.contract.stores.changes import (
    LATER,
    Change,
    cancel,
    every_status,
    fail,
    finish,
    mark,
    postpone,
    renew,
    snooze,
    snooze_until,
    start,
)
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    attempts_made,
    bring,
    ended,
    fetch,
    ref,
    settle,
    settling,
)


@every_status
async def test_claimed(store: Store, status: Status) -> None:
    """The next attempt starts from every status that may be followed by running, and from no other."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    number = attempts_made(status) + 1
    answer = await start(store, task_id, number)
    after = await fetch(store, task_id)
    if status in CLAIMABLE:
        assert answer is ClaimAnswer.CLAIMED
        assert (after.status, after.attempt, after.updated_at) == (Status.RUNNING, number, LATER)
        assert after.due == LATER + timedelta(seconds=30)
    else:
        assert answer is ClaimAnswer.STALE
        assert after == before


@every_status
async def test_settled(store: Store, status: Status) -> None:
    """Only a running attempt can end."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    done = await finish(store, task_id, max(1, attempts_made(status)))
    after = await fetch(store, task_id)
    assert done is (status is Status.RUNNING)
    assert after.status is Status.SUCCEEDED if done else after == before


@pytest.mark.parametrize("following", sorted(FOLLOWERS[Status.RUNNING]))
async def test_running_is_followed_by(store: Store, following: Status) -> None:
    """Each end of an attempt gives its status, and a due time exactly to live tasks."""
    task_id = await bring(store, Status.RUNNING)
    assert await settle(store, settling(task_id, 1, following), now=LATER)
    record = await fetch(store, task_id)
    assert (record.status, record.attempt, record.updated_at) == (following, 1, LATER)
    if following in TERMINAL:
        assert (record.due, record.finished_at) == (None, LATER)
        assert record.kept_until == LATER + timedelta(seconds=KEEP)
    else:
        assert (record.due, record.finished_at) == (NOW + timedelta(seconds=30), None)
        assert record.kept_until is None


@pytest.mark.parametrize("following", sorted(set(Status) - FOLLOWERS[Status.RUNNING]))
async def test_running_is_not_followed_by(store: Store, following: Status) -> None:
    """A settlement that breaks the table is a mistake of ours, and writes nothing."""
    task_id = await bring(store, Status.RUNNING)
    before = await fetch(store, task_id)
    with pytest.raises(ValueError, match="cannot follow"):
        await settle(store, settling(task_id, 1, following))
    assert await fetch(store, task_id) == before


@pytest.mark.parametrize(
    ("status", "due"), [(Status.SUCCEEDED, NOW), (Status.RETRYING, None), (Status.SCHEDULED, None)]
)
async def test_a_due_time_must_fit_the_status(store: Store, status: Status, due: object) -> None:
    """A terminal task has no due time, and a live one is never without."""
    task_id = await bring(store, Status.RUNNING)
    with pytest.raises(ValueError, match="due"):
        await settle(store, settling(task_id, 1, status, due=due))


@every_status
async def test_renewed(store: Store, status: Status) -> None:
    """Only a running attempt has a lease."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    runs = await renew(store, task_id, max(1, attempts_made(status)))
    after = await fetch(store, task_id)
    assert runs is (status is Status.RUNNING)
    assert after.due == NOW + DAY if runs else after == before


@every_status
async def test_failed_without_a_run(store: Store, status: Status) -> None:
    """A task that waits can fail without its attempt; any other stays as it is."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    done = await fail(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    assert done is (status in CLAIMABLE)
    if done:
        assert (after.status, after.reason, after.error) == (Status.FAILED, "dropped", "gone")
        assert (after.due, after.attempt, after.finished_at) == (None, before.attempt, LATER)
        assert after.kept_until == LATER + timedelta(seconds=KEEP)
    else:
        assert after == before


@every_status
async def test_snoozed(store: Store, status: Status) -> None:
    """A task that waits can be scheduled for later; its attempt has not begun."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    done = await snooze(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    assert done is (status in CLAIMABLE)
    if done:
        assert (after.status, after.due) == (Status.SCHEDULED, NOW + 2 * DAY)
        assert (after.attempt, after.attempt_limit) == (before.attempt, before.attempt_limit)
        assert (await store.counts())[Status.SCHEDULED] == 1
        assert await start(store, task_id, attempts_made(status) + 1) is ClaimAnswer.CLAIMED
    else:
        assert after == before


async def test_a_task_twice_in_a_batch_is_snoozed_twice(store: Store) -> None:
    """And is counted and listed once."""
    task_id = await bring(store, Status.QUEUED)
    assert await store.snooze([snooze_until(task_id, 1, NOW + DAY)] * 2, now=LATER) == [True, True]
    assert await store.counts() == {each: int(each is Status.SCHEDULED) for each in Status}
    assert len((await store.list_tasks(Status.SCHEDULED, limit=5, cursor=None)).items) == 1


@every_status
async def test_still_running(store: Store, status: Status) -> None:
    """Only an attempt that runs by its record is still to run."""
    task_id = await bring(store, status)
    refs = [ref(task_id, number) for number in (1, 2)]
    assert await store.still_running(refs) == [status is Status.RUNNING, False]


async def test_an_attempt_whose_record_is_lost_goes_on(store: Store) -> None:
    """What the store has lost is better run than not."""
    assert await store.still_running([ref("nobody", 1)]) == [True]


@every_status
@pytest.mark.parametrize("change", [mark, start, fail, cancel, snooze, renew, postpone, finish])
@pytest.mark.parametrize("number", [0, 3, 1000])
async def test_another_attempt_changes_nothing(
    store: Store, status: Status, change: Change, number: int
) -> None:
    """Neither an attempt of the past nor one that is far ahead moves a task."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    assert await change(store, task_id, number) in {None, False, ClaimAnswer.STALE}
    assert await fetch(store, task_id) == before


@pytest.mark.parametrize("change", [mark, start, fail, cancel, snooze, renew, postpone, finish])
async def test_an_unknown_task_changes_nothing(store: Store, change: Change) -> None:
    """No record appears out of a change."""
    answer = await change(store, "nobody", 1)
    assert answer in {None, False, ClaimAnswer.UNKNOWN}
    assert await store.get("nobody") is None
    assert set((await store.counts()).values()) == {0}


@every_status
async def test_counts_and_lists_follow(store: Store, status: Status) -> None:
    """A task is counted and listed under exactly the status it has, and is due exactly while it lives."""
    task_id = await bring(store, status)
    counts = await store.counts()
    assert counts == {each: int(each is status) for each in Status}
    for each in Status:
        page = await store.list_tasks(each, limit=5, cursor=None)
        assert [record.task.id for record in page.items] == ([task_id] if each is status else [])
    due = await store.take_due(now=NOW + 3 * DAY, limit=5, hold=1.0)
    assert [item.id for item in due] == ([task_id] if status in LIVE else [])


async def test_a_task_goes_through_every_attempt(store: Store) -> None:
    """Three attempts, a failure, a requeue and a success leave one history in order."""
    task_id = await bring(store, Status.SCHEDULED)
    ends = [Status.RETRYING, Status.SCHEDULED, Status.FAILED]
    for number, status in enumerate(ends, start=1):
        assert await start(store, task_id, number) is ClaimAnswer.CLAIMED
        attempt = ended(number, counted=True, error=f"end {number}")
        assert await settle(store, settling(task_id, number, status, attempt=attempt))
        assert not await settle(store, settling(task_id, number, Status.SUCCEEDED))
    await store.requeue([task_id], now=LATER, due=LATER)
    await mark(store, task_id, 4)
    assert await start(store, task_id, 4) is ClaimAnswer.CLAIMED
    assert await finish(store, task_id, 4)
    record = await fetch(store, task_id)
    assert [attempt.number for attempt in record.attempts] == [1, 2, 3, 4]
    assert [attempt.error for attempt in record.attempts] == ["end 1", "end 2", "end 3", None]
    assert (record.status, record.attempt, record.attempt_limit) == (Status.SUCCEEDED, 4, 6)
    assert record.error is None
