"""Changes of just the state that somebody has seen: whatever has happened since then refuses them."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from taskrunner.domain.tasks.status import CLAIMABLE, Status
from taskrunner.stores.base import Store
from taskrunner.stores.values import seen_state
from tests.contract.stores import changes
from tests.contract.stores.harness import DAY, KEEP, NOW, attempts_made, bring, fetch, make_task, ref

Ending = Callable[[Store, str, str], Awaitable[bool]]
Step = Callable[[Store, str], Awaitable[object]]


async def cancel(store: Store, task_id: str, seen: str) -> bool:
    made = (await fetch(store, task_id)).attempt
    (done,) = await store.cancel([ref(task_id, made + 1)], now=NOW, error="", retention=KEEP, seen=seen)
    return done


async def delete(store: Store, task_id: str, seen: str) -> bool:
    (done,) = await store.delete([task_id], now=NOW, retention=KEEP, seen=seen)
    return done


async def take_due(store: Store, _: str) -> None:
    assert await store.take_due(now=NOW + DAY, limit=9, hold=60.0)


async def requeue(store: Store, task_id: str) -> None:
    assert (await store.requeue([task_id], now=NOW, due=NOW))[0] is not None


def of(change: changes.Change, attempt: int) -> Step:
    return lambda store, task_id: change(store, task_id, attempt)


WAITING = (Status.SCHEDULED, Status.QUEUED, Status.RETRYING)
STEPS: list[tuple[Status, str, Step]] = [
    *(
        (status, change.__name__, of(change, attempts_made(status) + 1))
        for status in WAITING
        for change in (changes.start, changes.fail, changes.cancel, changes.snooze)
    ),
    (Status.QUEUED, "postpone", of(changes.postpone, 1)),
    (Status.SCHEDULED, "mark", of(changes.mark, 1)),
    (Status.RETRYING, "mark", of(changes.mark, 2)),
    *((status, "take_due", take_due) for status in (*WAITING, Status.RUNNING)),
    (Status.RUNNING, "renew", of(changes.renew, 1)),
    (Status.RUNNING, "finish", of(changes.finish, 1)),
    (Status.FAILED, "requeue", requeue),
]


@pytest.mark.parametrize("status", list(Status))
@pytest.mark.parametrize("end", [cancel, delete])
async def test_what_is_as_it_was_seen_is_changed(store: Store, status: Status, end: Ending) -> None:
    """Also with a moment of its own, and beside others; another state is not, nor a part of one."""
    task_id = await bring(store, status, task=make_task(run_at=NOW + timedelta(milliseconds=1)))
    other = await bring(store, status)
    seen = seen_state(await fetch(store, task_id))
    before = await fetch(store, task_id)
    for wrong in (
        seen_state(await fetch(store, other)) + "0",
        seen[:-1],
        seen.upper(),
        status.value,
        "1",
        "x",
    ):
        assert not await end(store, task_id, wrong)
    assert await fetch(store, task_id) == before
    done = await end(store, task_id, seen)
    assert done is (end is delete or status in CLAIMABLE)
    if end is delete:
        assert await store.get(task_id) is None
    assert await store.get(other) is not None


@pytest.mark.parametrize(
    ("status", "step"), [pytest.param(status, step, id=f"{status}: {name}") for status, name, step in STEPS]
)
@pytest.mark.parametrize("end", [cancel, delete])
async def test_what_has_changed_is_left_alone(store: Store, status: Status, step: Step, end: Ending) -> None:
    """By each change that the record shows."""
    task_id = await bring(store, status)
    seen = seen_state(await fetch(store, task_id))
    await step(store, task_id)
    changed = await fetch(store, task_id)
    assert seen_state(changed) != seen
    assert not await end(store, task_id, seen)
    assert await fetch(store, task_id) == changed


async def test_of_many_that_have_seen_one_state_one_changes_it(store: Store) -> None:
    """Whichever it is: a delete, a cancel, or the start of the attempt."""
    for _ in range(5):
        task_id = await bring(store, Status.QUEUED)
        seen = seen_state(await fetch(store, task_id))

        async def start(task_id: str = task_id) -> bool:
            return (await changes.start(store, task_id, 1)).name == "CLAIMED"

        async def cancel_now(task_id: str = task_id, seen: str = seen) -> bool:
            (done,) = await store.cancel([ref(task_id, 1)], now=NOW, error="", retention=KEEP, seen=seen)
            return done

        done = await asyncio.gather(
            start(), delete(store, task_id, seen), cancel_now(), delete(store, task_id, seen), cancel_now()
        )
        assert done.count(True) == 1
