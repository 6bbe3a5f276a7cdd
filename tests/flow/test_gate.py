"""The gate by itself: what it knows of hosts stays right, whatever comes between its steps."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.backlog import WaitingDelivery
from taskrunner.consumer.claimed_attempt import ClaimedAttempt
from taskrunner.consumer.host_gate import HostGate, HostGateSettings
from taskrunner.consumer.snoozer import PendingSnooze
from taskrunner.domain.envelope import Envelope
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.host_limit import HostLimit, HostLimits
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.host_state import decode_state
from taskrunner.domain.task import Priority
from taskrunner.handlers.base import AttemptContext
from taskrunner.stores.host_store import HostAnswer, HostEdit, HostEntry
from tests.flow.local_runner import LEASE, LocalRunner
from tests.tools.fetching import make_task


def one_each(runner: LocalRunner, snooze: Callable[[PendingSnooze], None] = lambda pending: None) -> HostGate:
    """A gate that lets one attempt at a time start at each host."""
    settings = HostGateSettings(consumer="gate", lease=LEASE, workers=10, host_policy=HostSettings())
    gate = HostGate(runner.store, runner.events, runner.clock, settings, snooze=snooze)
    gate.apply(HostLimits({"*": HostLimit(concurrency=1)}))
    return gate


def delivered(*hosts: str) -> list[WaitingDelivery]:
    return [
        WaitingDelivery(
            Envelope(attempt=1, task=make_task(f"http://{host}/")),
            Delivery(b"", Priority.MEDIUM, redelivered=False, message_id=None, tag=tag, epoch=1),
        )
        for tag, host in enumerate(hosts)
    ]


async def start(runner: LocalRunner, gate: HostGate, batch: list[WaitingDelivery]) -> list[ClaimedAttempt]:
    """Let start what may."""
    started = []
    admitted = await gate.admit(batch, room=10)
    for waiting in admitted.starting:
        running = ClaimedAttempt(
            context=AttemptContext(waiting.envelope.task, 1),
            delivery=waiting.delivery,
            attempt_limit=3,
            claimed_at=runner.clock.now(),
            host_stats=waiting.host_stats,
        )
        gate.started(running)
        started.append(running)
    gate.claimed()
    return started


async def test_a_host_is_not_forgotten_as_its_task_starts(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many hosts there are: what is under way is counted, and limits hold."""
    monkeypatch.setattr("taskrunner.consumer.host_stats._MANY", 2)
    gate = one_each(runner)
    assert len(await start(runner, gate, delivered("a.test", "b.test", "c.test"))) == 3
    assert len(await start(runner, gate, delivered("a.test", "d.test"))) == 1


async def test_a_place_is_given_back_when_another_host_cannot_be_asked(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is given up as a whole, also when only some of its changes were written, and that later."""
    monkeypatch.setattr("taskrunner.consumer.shared_host_states._BATCH", 1)
    monkeypatch.setattr("taskrunner.consumer.shared_host_states._SPACING", 0.05)
    gate = one_each(runner)

    async def fail_once(edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        monkeypatch.undo()
        raise StoreUnavailable("away for a moment")

    monkeypatch.setattr(runner.store, "write_hosts", fail_once)
    with pytest.raises(StoreUnavailable):
        await gate.admit(delivered("a.test", "b.test"), room=10)
    gate.claimed()
    await gate.ledger.drain()
    gate.renew()
    await gate.ledger.drain()
    entry = await runner.store.host("b.test")
    assert entry is not None
    assert decode_state(entry.encoded).slots == {}


async def test_of_a_limited_host_that_nothing_is_known_of_few_wait_at_hand(runner: LocalRunner) -> None:
    """Its limit says who may start; all but the next few are snoozed at once, so that others are seen."""
    pending: list[PendingSnooze] = []
    gate = one_each(runner, pending.append)
    admitted = await gate.admit(delivered(*["a.test"] * 100), room=10)
    assert len(admitted.starting) == 1
    assert admitted.blocked == len(admitted.left) < 10
    assert len(admitted.left) + len(pending) == 99


async def test_those_of_a_slow_host_come_back_as_its_limit_lets_them(runner: LocalRunner) -> None:
    """This consumer could run ten at a time; the host takes one every two seconds."""
    pending: list[PendingSnooze] = []
    gate = one_each(runner, pending.append)
    started = await start(runner, gate, delivered("a.test"))
    runner.clock.advance(2.0)
    gate.age(started)
    gate.renew()
    await gate.ledger.drain()
    await gate.admit(delivered(*["a.test"] * 20), room=9)
    moments = [each.due.timestamp() for each in pending if each.due is not None]
    assert len(moments) == 20
    assert {each.why for each in pending} == {"a.test: concurrency limit"}
    assert moments[-1] - moments[0] == pytest.approx(19 * 2.0, rel=0.2)


async def test_hosts_that_are_closed_are_read_by_one_call(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the way out is cut, all hosts are closed at once."""
    gate = one_each(runner)
    names = [f"{number}.test" for number in range(100)]
    now, settings = runner.clock.now().timestamp(), HostSettings()
    opened = [
        gate.ledger.change(name, lambda state: (state.failed(settings, started=now, now=now), None))
        for name in names
    ]
    await asyncio.gather(*opened)
    asked: list[Sequence[str]] = []
    hosts = runner.store.hosts

    async def noted(names: Sequence[str]) -> Sequence[HostEntry | None]:
        asked.append(names)
        return await hosts(names)

    monkeypatch.setattr(runner.store, "hosts", noted)
    admitted = await gate.admit(delivered(*names), room=10)
    assert admitted.starting == admitted.left == []
    assert asked == [names]
