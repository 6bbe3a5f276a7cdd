"""Every change of one task, each as a function of the store, the task and the attempt."""

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from taskrunner.domain.tasks.status import Status
from taskrunner.stores.base import ClaimAnswer, SnoozeRequest, Store
from tests.contract.stores.harness import DAY, KEEP, NOW, claim, ref, settle, settling

LATER = NOW + timedelta(seconds=7)
every_status = pytest.mark.parametrize("status", list(Status))

Change = Callable[[Store, str, int], Awaitable[object]]


def snooze_until(task_id: str, number: int, due: datetime, why: str | None = None) -> SnoozeRequest:
    return SnoozeRequest(id=task_id, attempt=number, due=due, waits_for=why)


async def mark(store: Store, task_id: str, number: int) -> None:
    await store.mark_queued([ref(task_id, number)], now=LATER, due=NOW + DAY)


async def start(store: Store, task_id: str, number: int) -> ClaimAnswer:
    (claimed,) = await claim(store, [ref(task_id, number)], now=LATER)
    return claimed.answer


async def fail(store: Store, task_id: str, number: int) -> bool:
    (done,) = await store.fail(
        [ref(task_id, number)], now=LATER, reason="dropped", error="gone", retention=KEEP
    )
    return done


async def cancel(store: Store, task_id: str, number: int) -> bool:
    (done,) = await store.cancel([ref(task_id, number)], now=LATER, error="by request", retention=KEEP)
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
