"""Lists in both orders: whatever comes and goes between two pages, each task that stays is listed once."""

import asyncio
import itertools
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskOrder
from taskrunner.stores.base import Store
from taskrunner.stores.values import Created, Place
from tests.contract.stores.harness import KEEP, NOW, entry, make_task, ref
from tests.tools.examples import share
from tests.tools.waiting import PATIENCE

MINE = "mine~"
# A moment, and the beginning of an id.
NEW = st.tuples(st.integers(0, 3), st.sampled_from(["a", "B", "z", f"{MINE}a", f"{MINE}z"]))
# A new task, or the number of one to cancel (in the list of all it stays) or to delete.
CHANGE = st.one_of(NEW, st.tuples(st.sampled_from(["cancel", "delete"]), st.integers(0, 20)))
orders = pytest.mark.parametrize("order", list(TaskOrder))
serials = itertools.count()


class World:
    """All tasks of a store that are there, with the times of their creation."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.live: dict[str, datetime] = {}

    async def change(self, changes: list[Any]) -> None:
        for one, other in changes:
            if isinstance(one, int):
                # Creation of an earlier moment: the clocks of producers differ.
                task = make_task(id=f"{other}{next(serials):06}", created_at=NOW + timedelta(seconds=one))
                await self.store.accept([entry(task)])
                self.live[task.id] = task.created_at
            elif self.live:
                chosen = list(self.live)[other % len(self.live)]
                if one == "cancel":
                    await self.store.cancel([ref(chosen)], now=NOW, error="", retention=KEEP)
                else:
                    await self.store.delete([chosen], now=NOW, retention=KEEP)
                    del self.live[chosen]


async def example(
    store: Store, order: TaskOrder, namespace: str, limit: int, begin: list[Any], steps: list[list[Any]]
) -> None:
    world = World(store)
    await world.change(begin)
    stable = dict(world.live)
    found: list[str] = []
    cursor: str | None = None
    for changes in itertools.chain(steps, itertools.repeat(list[Any]())):
        page = await store.list_tasks(None, limit=limit, cursor=cursor, namespace=namespace, order=order)
        assert len(page.items) <= limit
        found += [record.task.id for record in page.items]
        cursor = page.cursor
        if cursor is None:
            break
        await world.change(changes)
        stable = {task_id: when for task_id, when in stable.items() if task_id in world.live}
    newest_first = order is TaskOrder.NEWEST
    wanted = [task_id for task_id in stable if task_id.startswith(namespace)]
    wanted.sort(key=lambda task_id: (stable[task_id], task_id.encode()), reverse=newest_first)
    assert [task_id for task_id in found if task_id in stable] == wanted
    assert len(found) == len(set(found))
    await store.delete(list(world.live), now=NOW, retention=KEEP)


@orders
async def test_every_task_that_stays_is_listed_once(store: Store, order: TaskOrder) -> None:
    """In its place, of all tasks and of a namespace, with tasks of one moment, while others come and go."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=share(1 / 4), deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        namespace=st.sampled_from(["", MINE]),
        limit=st.integers(1, 4),
        begin=st.lists(NEW, max_size=12),
        steps=st.lists(st.lists(CHANGE, max_size=3), max_size=4),
    )
    def examples(namespace: str, limit: int, begin: list[Any], steps: list[list[Any]]) -> None:
        checked = example(store, order, namespace, limit, begin, steps)
        asyncio.run_coroutine_threadsafe(checked, loop).result(PATIENCE)

    await asyncio.to_thread(examples)


@orders
@pytest.mark.parametrize("status", [None, Status.SCHEDULED])
async def test_a_span_of_creation(store: Store, order: TaskOrder, status: Status | None) -> None:
    """Cut out of the list, at both edges, from the first page on."""
    moments = {f"t{hours}": NOW - timedelta(hours=hours) for hours in range(6)}
    await store.accept(
        [entry(make_task(id=task_id, created_at=moment)) for task_id, moment in moments.items()]
    )
    span = Created(after=NOW - timedelta(hours=4), before=NOW - timedelta(minutes=90))
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = await store.list_tasks(status, limit=2, cursor=cursor, created=span, order=order)
        ids += [record.task.id for record in page.items]
        cursor = page.cursor
        if cursor is None:
            break
    newest_first = ["t2", "t3", "t4"]
    assert ids == (newest_first if order is TaskOrder.NEWEST else newest_first[::-1])


@pytest.mark.parametrize("place", ["", "a", "b", "bb", "c", "\U0010ffff"])
async def test_a_cursor_is_a_place_in_both_orders(store: Store, place: str) -> None:
    """Whether or not there is still a task at it: what is before it in one order follows in the other."""
    names = ["a", "b", "c"]
    await store.accept([entry(make_task(id=name, created_at=NOW)) for name in names])
    cursor = Place(ms=to_ms(NOW), id=place).cursor()
    behind: dict[TaskOrder, list[str]] = {}
    for order in TaskOrder:
        page = await store.list_tasks(None, limit=9, cursor=cursor, order=order)
        behind[order] = [record.task.id for record in page.items]
    assert behind[TaskOrder.OLDEST] == [name for name in names if name > place]
    assert behind[TaskOrder.NEWEST] == [name for name in names[::-1] if name < place]
