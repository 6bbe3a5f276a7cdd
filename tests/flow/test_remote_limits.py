"""The limits of a remote executor hold for all processes that lease its tasks, together."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest

from taskrunner.consumer.remote.remote_attempts import AttemptEnd, Heartbeat
from taskrunner.domain.events import TasksSnoozed
from taskrunner.domain.executors.executor import ExecutorKind
from taskrunner.domain.executors.remote_lease import LeaseState, RemoteLease, UpdateAnswer
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_view import HostView
from taskrunner.domain.tasks.explanation import ReasonCode, explain
from taskrunner.domain.tasks.situation import Situation
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.stores.base import Store
from tests.flow.local_runner import LEASE, LocalRunner
from tests.flow.remote_process import DONE, Remote
from tests.tools.executors import executor
from tests.tools.waiting import PATIENCE, eventually, in_time

# Two stores are enough: all keep the states of hosts alike, as their contract tests show.
pytestmark = pytest.mark.parametrize("runner", ["redis", "sqlite"], indirect=True)
# Shorter than the time after which a process asks again: the clock stands still meanwhile.
LITTLE = 0.05


class Limited:
    """Two processes that lease the tasks of one executor, and the view that operators have of it."""

    def __init__(self, runner: LocalRunner, first: Remote, second: Remote) -> None:
        self.runner = runner
        self.first = first
        self.second = second

    async def limit(self, **limits: Any) -> None:
        """Put these limits in force in all processes."""
        limited = executor("resize", ExecutorKind.REMOTE, max_attempts=3, **limits)
        self.runner.task_settings.current.executors.set([limited])
        assert await self.runner.store.save_executor(limited, expected=None)

    async def lease(self, remote: Remote, most: int) -> list[RemoteLease]:
        return await remote.lease(most, wait=LITTLE)

    async def host(self) -> HostView:
        runner = self.runner
        hosts = HostAdmin(runner.store, runner.events, runner.clock, {}, HostSettings())
        return await hosts.show("executor:resize")

    async def settle_changes(self) -> None:
        """Have all changes of the limits written."""
        for each in (self.first, self.second):
            await each.limits.close(PATIENCE)

    async def lease_soon(self, remote: Remote, most: int) -> list[RemoteLease]:
        """Once what was put off is published again, and the other process has given back what it holds."""
        leases: list[RemoteLease] = []

        async def look() -> bool:
            await self.runner.later(3)
            for each in (self.first, self.second):
                await each.work.turn()
            # Long enough for a delivery on a busy machine: each look gives back what nobody asked for.
            leases.extend(await remote.lease(most, wait=1.0))
            return bool(leases)

        await eventually(look)
        return leases


@pytest.fixture
async def limited(runner: LocalRunner, remote: Remote) -> AsyncIterator[Limited]:
    """Beside the process of the fixture, another."""
    other = Remote(runner)
    await other.work.start()
    yield Limited(runner, remote, other)
    await other.work.stop()


async def test_concurrency_is_shared(limited: Limited) -> None:
    """Whoever asks; a slot is free when its attempt has ended, whichever process hears of it."""
    await limited.limit(concurrency=3)
    ids = {await limited.first.submit() for _ in range(8)}
    first, second = await limited.lease(limited.first, 2), await limited.lease_soon(limited.second, 5)
    assert (len(first), len(second)) == (2, 1)
    assert await limited.lease(limited.first, 5) == []
    assert (await limited.host()).in_flight == 3
    done = [each.task.id for each in (*first, *second)]
    while len(done) < len(ids):
        for lease in (*first, *second):
            assert (await limited.second.end(lease)).answer is UpdateAnswer.APPLIED
        await limited.settle_changes()
        first, second = await limited.lease_soon(limited.first, 2), await limited.lease(limited.second, 5)
        assert len(first) + len(second) <= 3
        done += [each.task.id for each in (*first, *second)]
    assert sorted(done) == sorted(ids)


async def test_why_a_task_waits_is_told(limited: Limited) -> None:
    """By its record and the explanation; the executor is among the hosts."""
    await limited.limit(concurrency=1)
    ids = [await limited.first.submit() for _ in range(30)]
    (lease,) = await limited.lease(limited.first, 30)
    await limited.runner.heard(TasksSnoozed)
    record = await limited.runner.record(ids[-1])
    assert (record.status, record.waits_for) == (Status.SCHEDULED, "executor:resize: concurrency limit")
    (reason,) = explain(Situation(record=record, now=limited.runner.clock.now()))
    assert reason.code is ReasonCode.CONCURRENCY_LIMIT
    assert reason.text.startswith("It waits for its executor, resize (concurrency limit), until ")
    host = await limited.host()
    assert host.applied is not None
    assert (host.applied.pattern, host.applied.limit.text) == ("executor:resize", "concurrency=1")
    assert (host.condition, host.in_flight) == ("limited", 1)
    await limited.first.end(lease)
    await limited.settle_changes()
    assert (await limited.host()).in_flight == 0


async def test_a_lease_that_nobody_ends_frees_its_slot(limited: Limited) -> None:
    """As soon as it is over; until then, heartbeats hold the slot."""
    await limited.limit(concurrency=1)
    for _ in range(2):
        await limited.first.submit(timeout=600)
    (lease,) = await limited.lease(limited.first, 1)
    for _ in range(3):
        await limited.runner.later(LEASE * 0.8)
        assert await limited.second.beat(lease) is LeaseState.HELD
    await limited.settle_changes()
    assert await limited.lease(limited.second, 5) == []
    await limited.runner.later(LEASE + 1)
    assert (await limited.host()).in_flight == 0
    assert len(await limited.lease_soon(limited.second, 5)) == 1


async def test_a_call_ends_when_its_wait_is_over(limited: Limited) -> None:
    """Although tasks wait there, and the clock by which the limits let them start stands still."""
    await limited.limit(concurrency=1)
    for _ in range(2):
        await limited.first.submit()
    assert len(await limited.lease(limited.first, 1)) == 1
    limited.runner.clock.advance(3)
    await limited.first.work.turn()  # gives back the task that waits at the first process
    async with in_time("a call with a short wait"):
        assert await limited.lease(limited.second, 5) == []


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_heartbeat_that_its_end_overtakes_holds_no_slot(limited: Limited, moment: str) -> None:
    """Another process hears of the end while this one renews the lease."""
    await limited.limit(concurrency=1)
    await limited.first.submit()
    (lease,) = await limited.lease(limited.first, 1)

    class Overtaken:
        """The store, where the attempt ends at the renewal."""

        def __getattr__(self, name: str) -> Any:
            return getattr(limited.runner.store, name)

        async def renew(self, *given: Any, **named: Any) -> Any:
            if moment == "before":
                await limited.second.end(lease)
            answers = await limited.runner.store.renew(*given, **named)
            if moment == "after":
                await limited.second.end(lease)
            return answers

    attempts = limited.first.make_attempts(cast(Store, Overtaken()))
    (answer,) = await attempts.heartbeat([Heartbeat(id=lease.task.id, token=lease.token)])
    assert answer.state is (LeaseState.LOST if moment == "before" else LeaseState.HELD)
    await limited.settle_changes()
    assert (await limited.host()).in_flight == 0


async def test_a_cancelled_attempt_keeps_its_slot_until_its_worker_knows(limited: Limited) -> None:
    """A heartbeat that says so gives it back, also twice."""
    await limited.limit(concurrency=1)
    cancelled = await limited.first.submit()
    (lease,) = await limited.lease(limited.first, 1)
    await limited.first.submit()
    await limited.runner.cancellation.cancel(cancelled)
    assert await limited.lease(limited.second, 1) == []
    assert await limited.first.beat(lease) is LeaseState.CANCELLED
    await limited.settle_changes()
    assert (await limited.host()).in_flight == 0
    assert len(await limited.lease_soon(limited.second, 1)) == 1
    assert await limited.first.beat(lease) is LeaseState.CANCELLED
    await limited.settle_changes()
    assert (await limited.host()).in_flight == 1


async def test_an_end_after_the_lease_takes_no_slot_of_another(limited: Limited) -> None:
    """The attempt that it names is over, and the next one has a slot of its own."""
    await limited.limit(concurrency=1)
    await limited.first.submit(retry={"strategy": "constant", "base": 0})
    (late,) = await limited.lease(limited.first, 1)
    await limited.runner.later(LEASE + 1)
    (lease,) = await limited.lease_soon(limited.second, 1)
    assert (lease.task.id, lease.attempt) == (late.task.id, 2)
    assert (await limited.first.end(late)).answer is UpdateAnswer.LATE
    await limited.settle_changes()
    assert (await limited.host()).in_flight == 1


async def test_a_task_that_is_not_leased_after_all_takes_no_slot(limited: Limited) -> None:
    """It was cancelled while it waited in the queue."""
    await limited.limit(concurrency=1)
    gone = await limited.first.submit()
    await limited.runner.cancellation.cancel(gone)
    assert await limited.lease(limited.first, 1) == []
    await limited.settle_changes()
    assert (await limited.host()).in_flight == 0


async def test_the_rate_is_shared(limited: Limited) -> None:
    """At most the burst at once, then one after the other."""
    await limited.limit(rate=1, burst=2)
    for _ in range(6):
        await limited.first.submit()
    assert len(await limited.lease(limited.first, 5)) == 2
    assert await limited.lease(limited.first, 5) == []
    assert len(await limited.lease_soon(limited.second, 5)) == 2


async def test_who_waits_gets_the_slot_that_becomes_free(limited: Limited) -> None:
    """Without asking again."""
    await limited.limit(concurrency=1)
    ids = [await limited.first.submit() for _ in range(2)]
    (lease,) = await limited.lease(limited.first, 1)
    waiting = asyncio.ensure_future(limited.first.lease(1))
    end = AttemptEnd(id=lease.task.id, token=lease.token, outcome=DONE)
    (ended,) = await limited.second.attempts.end([end])
    assert ended.answer is UpdateAnswer.APPLIED

    async def look() -> bool:
        await limited.runner.later(0.3)
        return waiting.done()

    await eventually(look)
    assert [each.task.id for each in await waiting] == ids[1:]
