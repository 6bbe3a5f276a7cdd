"""The executor watch: which answer of the store counts."""

import asyncio
from collections.abc import Sequence

from taskrunner.domain.events import Events
from taskrunner.domain.executors.executor import Executor
from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.producer.executor_watch import ExecutorWatch
from taskrunner.stores.base import ExecutorStore
from tests.tools.clock import ManualClock
from tests.tools.executors import executor


class HeldExecutors(ExecutorStore):
    """Executors in memory. A read answers what there was when it began, once `go` is set."""

    def __init__(self) -> None:
        self.known: list[Executor] = []
        self.go = asyncio.Event()
        self.under_way = 0

    async def executors(self) -> Sequence[Executor]:
        found = list(self.known)
        self.under_way += 1
        await self.go.wait()
        self.under_way -= 1
        return found

    async def save_executor(self, executor: Executor, *, expected: Executor | None) -> bool:
        self.known.append(executor)
        return True

    async def delete_executor(self, expected: Executor) -> bool:
        self.known.remove(expected)
        return True


async def settle_down() -> None:
    """Let every task run until it waits."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_an_older_answer_does_not_replace_a_newer_one() -> None:
    """A disabled executor would take tasks again in the process that disabled it, until the next read.

    Nor do three reads that begin together end in an order of their own.
    """
    store, source = HeldExecutors(), ExecutorSource()
    watch = ExecutorWatch(store, Events(), ManualClock(), source)
    store.known = [executor()]
    turn = asyncio.create_task(watch.turn())
    await settle_down()
    store.known = [executor(enabled=False)]
    refresh = asyncio.create_task(watch.refresh())
    look = asyncio.create_task(watch.look_again())
    await settle_down()
    assert store.under_way == 1
    store.go.set()
    await asyncio.gather(turn, refresh, look)
    assert [each.enabled for each in (source.known or {}).values()] == [False]
