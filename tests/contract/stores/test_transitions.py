"""The status table: each change happens from every status that allows it, and from no other."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from taskrunner.domain.status import CLAIMABLE, FOLLOWERS, LIVE, PUBLISHABLE, TERMINAL, Status
from taskrunner.stores.base import AcceptAnswer, Accepted, ClaimAnswer, Snooze, Store
from tests.contract.stores.harness import (
    DAY,
    KEEP,
    NOW,
    attempts_made,
    bring,
    claim,
    ended,
    entry,
    fetch,
    make_task,
    ref,
    settle,
    settling,
)
from tests.tools.waiting import in_time

LATER = NOW + timedelta(seconds=7)
every_status = pytest.mark.parametrize("status", list(Status))

Change = Callable[[Store, str, int], Awaitable[object]]


def snooze_until(task_id: str, number: int, due: datetime, why: str | None = None) -> Snooze:
    return Snooze(id=task_id, attempt=number, due=due, why=why)


async def mark(store: Store, task_id: str, number: int) -> None:
    await store.mark_queued([ref(task_id, number)], now=LATER, due=NOW + DAY)


async def start(store: Store, task_id: str, number: int) -> ClaimAnswer:
    (claimed,) = await claim(store, [ref(task_id, number)], now=LATER)
    return claimed.answer


async def fail(store: Store, task_id: str, number: int) -> bool:
    (done,) = await store.fail([ref(task_id, number)], now=LATER, reason="dropped", error="gone", keep=KEEP)
    return done


async def cancel(store: Store, task_id: str, number: int) -> bool:
    (done,) = await store.cancel([ref(task_id, number)], now=LATER, error="by request", keep=KEEP)
    return done


async def snooze(store: Store, task_id: str, number: int) -> bool:
    (done,) = await store.snooze([snooze_until(task_id, number, NOW + 2 * DAY)], now=LATER)
    return done


async def renew(store: Store, task_id: str, number: int) -> bool:
    (runs,) = await store.renew([ref(task_id, number)], lease_until=NOW + DAY)
    return runs


async def postpone(store: Store, task_id: str, number: int) -> None:
    await store.postpone([ref(task_id, number)], due=NOW + 2 * DAY)


async def finish(store: Store, task_id: str, number: int) -> bool:
    return await settle(store, settling(task_id, number, Status.SUCCEEDED), now=LATER)


@every_status
async def test_published(store: Store, status: Status) -> None:
    """A task that may be published is then queued; any other stays as it is."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    await mark(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    if status in PUBLISHABLE:
        assert (after.status, after.due) == (Status.QUEUED, NOW + DAY)
        assert after.attempt == before.attempt
    else:
        assert after == before


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
async def test_postponed(store: Store, status: Status) -> None:
    """Only a queued task is looked at later."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    await postpone(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    if status is Status.QUEUED:
        assert (after.status, after.due) == (Status.QUEUED, NOW + 2 * DAY)
    else:
        assert after == before


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
async def test_cancelled(store: Store, status: Status) -> None:
    """A task that waits can be cancelled by one write; it is no dead letter."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    done = await cancel(store, task_id, attempts_made(status) + 1)
    after = await fetch(store, task_id)
    assert done is (status in CLAIMABLE)
    if done:
        assert (after.status, after.reason, after.error) == (Status.CANCELLED, "cancelled", "by request")
        assert (after.due, after.attempt, after.finished_at) == (None, before.attempt, LATER)
        assert after.kept_until == LATER + timedelta(seconds=KEEP)
        assert await store.dead_letter(task_id) is None
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


async def test_pauses_are_kept(store: Store) -> None:
    """With the time of the first; what is resumed is gone."""
    assert await store.pauses() == {}
    await store.pause("queue:high", now=NOW)
    await store.pause("queue:high", now=LATER)
    await store.pause("label:team=r\u00f6d", now=LATER)
    assert await store.pauses() == {"queue:high": NOW, "label:team=r\u00f6d": LATER}
    assert await store.resume("queue:high")
    assert not await store.resume("queue:high")
    assert await store.pauses() == {"label:team=r\u00f6d": LATER}


@every_status
async def test_wanted(store: Store, status: Status) -> None:
    """Only an attempt that runs by its record is still to run."""
    task_id = await bring(store, status)
    refs = [ref(task_id, number) for number in (1, 2)]
    assert await store.still_running(refs) == [status is Status.RUNNING, False]


@every_status
async def test_deleted(store: Store, status: Status) -> None:
    """Nothing is left of a task in any list, count, index or body; its id stands for nothing new."""
    task_id = await bring(store, status)
    assert await store.delete([task_id, task_id], now=LATER, keep=KEEP) == [True, False]
    assert await store.get(task_id) is None
    assert await store.body(task_id) is None
    assert await store.dead_letter(task_id) is None
    assert set((await store.counts()).values()) == {0}
    assert (await store.list_tasks(None, limit=5, cursor=None)).items == []
    assert (await store.list_dead_letters(limit=5, cursor=None)).items == []
    assert await store.take_due(now=NOW + 3 * DAY, limit=5, hold=1.0) == []
    for number in (1, 2):
        assert await start(store, task_id, number) is ClaimAnswer.STALE
        assert await store.still_running([ref(task_id, number)]) == [False]
        assert not await fail(store, task_id, number)
        assert not await cancel(store, task_id, number)
        assert not await renew(store, task_id, number)
        assert not await finish(store, task_id, number)
        await mark(store, task_id, number)
        await postpone(store, task_id, number)
    assert await store.requeue([task_id], now=LATER, due=LATER) == [None]
    assert await store.get(task_id) is None


@every_status
async def test_deleted_only_in_a_status(store: Store, status: Status) -> None:
    """A task that has moved on since somebody looked is left as it is."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    other = next(each for each in Status if each is not status)
    assert await store.delete([task_id], now=LATER, keep=KEEP, status=other) == [False]
    assert await fetch(store, task_id) == before
    assert await store.delete([task_id], now=LATER, keep=KEEP, status=status) == [True]


async def test_a_deleted_id_is_a_conflict_until_it_is_forgotten(store: Store) -> None:
    """A message that is still out must not come back as a new task; later the id is free."""
    task_id = await bring(store, Status.QUEUED)
    await store.delete([task_id], now=NOW, keep=0.001)
    new = entry(make_task(id=task_id))
    async with in_time("the id is free again"):
        while (await store.accept([new]))[0].answer is not AcceptAnswer.CREATED:
            await store.prune(now=NOW + DAY, limit=10)
    await store.delete([task_id], now=NOW, keep=KEEP)
    assert await store.accept([new]) == [Accepted(id=task_id, answer=AcceptAnswer.CONFLICT)]
    await store.prune(now=NOW, limit=10)
    assert set((await store.counts()).values()) == {0}


async def test_the_key_of_a_deleted_task_is_free(store: Store) -> None:
    """The same Idempotency-Key makes a new task."""
    first, second = (entry(idempotency_key="key") for _ in range(2))
    await store.accept([first])
    await store.delete([first.id], now=NOW, keep=KEEP)
    assert await store.accept([second]) == [Accepted(id=second.id, answer=AcceptAnswer.CREATED)]


async def test_an_attempt_whose_record_is_lost_goes_on(store: Store) -> None:
    """What the store has lost is better run than not."""
    assert await store.still_running([ref("nobody", 1)]) == [True]


@every_status
async def test_requeued(store: Store, status: Status) -> None:
    """Only a failed task comes back, with as many attempts as a new one and with its history."""
    task_id = await bring(store, status)
    before = await fetch(store, task_id)
    (due,) = await store.requeue([task_id], now=LATER, due=LATER)
    after = await fetch(store, task_id)
    if status is Status.FAILED:
        assert due is not None
        assert (due.id, due.status, due.attempt, due.attempt_limit) == (task_id, Status.SCHEDULED, 1, 4)
        assert (after.status, after.due, after.attempt_limit) == (Status.SCHEDULED, LATER, 4)
        assert after.attempts == before.attempts
        assert (after.finished_at, after.kept_until) == (None, None)
    else:
        assert due is None
        assert after == before


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
