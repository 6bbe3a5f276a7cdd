"""The gate by itself: what it knows of hosts stays right, whatever comes between its steps."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.backlog import Waiting
from taskrunner.consumer.gate import Gate, GateSettings
from taskrunner.consumer.running import Running
from taskrunner.consumer.snoozer import Drowsy
from taskrunner.domain.envelope import Envelope
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.host_limit import HostLimit, LimitBook
from taskrunner.domain.host_state import decode_state
from taskrunner.domain.politeness import Politeness
from taskrunner.domain.task import Lane
from taskrunner.handlers.base import Attempting
from taskrunner.stores.host_book import HostAnswer, HostEdit, HostEntry
from tests.flow.house import LEASE, House
from tests.tools.fetching import make_task


def one_each(house: House, snooze: Callable[[Drowsy], None] = lambda drowsy: None) -> Gate:
    """A gate that lets one attempt at a time start at each host."""
    settings = GateSettings(consumer="gate", lease=LEASE, workers=10, politeness=Politeness())
    gate = Gate(house.store, house.events, house.clock, settings, snooze=snooze)
    gate.obey(LimitBook({"*": HostLimit(concurrency=1)}))
    return gate


def delivered(*hosts: str) -> list[Waiting]:
    return [
        Waiting(
            Envelope(attempt=1, task=make_task(f"http://{host}/")),
            Delivery(b"", Lane.MEDIUM, redelivered=False, message_id=None, tag=tag, epoch=1),
        )
        for tag, host in enumerate(hosts)
    ]


async def start(house: House, gate: Gate, batch: list[Waiting]) -> list[Running]:
    """Let start what may."""
    started = []
    sifted = await gate.sift(batch, room=10)
    for waiting in sifted.starting:
        running = Running(
            attempting=Attempting(waiting.envelope.task, 1),
            delivery=waiting.delivery,
            attempt_limit=3,
            claimed_at=house.clock.now(),
            tally=waiting.tally,
        )
        gate.started(running)
        started.append(running)
    gate.claimed()
    return started


async def test_a_host_is_not_forgotten_as_its_task_starts(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many hosts there are: what is under way is counted, and limits hold."""
    monkeypatch.setattr("taskrunner.consumer.tally._MANY", 2)
    gate = one_each(house)
    assert len(await start(house, gate, delivered("a.test", "b.test", "c.test"))) == 3
    assert len(await start(house, gate, delivered("a.test", "d.test"))) == 1


async def test_a_place_is_given_back_when_another_host_cannot_be_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is given up as a whole, also when only some of its changes were written, and that later."""
    monkeypatch.setattr("taskrunner.consumer.host_ledger._BATCH", 1)
    monkeypatch.setattr("taskrunner.consumer.host_ledger._SPACING", 0.05)
    gate = one_each(house)

    async def fail_once(edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        monkeypatch.undo()
        raise StoreUnavailable("away for a moment")

    monkeypatch.setattr(house.store, "write_hosts", fail_once)
    with pytest.raises(StoreUnavailable):
        await gate.sift(delivered("a.test", "b.test"), room=10)
    gate.claimed()
    await gate.ledger.drain()
    gate.renew()
    await gate.ledger.drain()
    entry = await house.store.host("b.test")
    assert entry is not None
    assert decode_state(entry.encoded).slots == {}


async def test_of_a_limited_host_that_nothing_is_known_of_few_wait_at_hand(house: House) -> None:
    """Its limit says who may start; all but the next few are snoozed at once, so that others are seen."""
    drowsy: list[Drowsy] = []
    gate = one_each(house, drowsy.append)
    sifted = await gate.sift(delivered(*["a.test"] * 100), room=10)
    assert len(sifted.starting) == 1
    assert sifted.blocked == len(sifted.left) < 10
    assert len(sifted.left) + len(drowsy) == 99


async def test_those_of_a_slow_host_come_back_as_its_limit_lets_them(house: House) -> None:
    """This consumer could run ten at a time; the host takes one every two seconds."""
    drowsy: list[Drowsy] = []
    gate = one_each(house, drowsy.append)
    started = await start(house, gate, delivered("a.test"))
    house.clock.advance(2.0)
    gate.age(started)
    gate.renew()
    await gate.ledger.drain()
    await gate.sift(delivered(*["a.test"] * 20), room=9)
    moments = [each.due.timestamp() for each in drowsy if each.due is not None]
    assert len(moments) == 20
    assert {each.why for each in drowsy} == {"a.test: concurrency limit"}
    assert moments[-1] - moments[0] == pytest.approx(19 * 2.0, rel=0.2)


async def test_hosts_that_are_closed_are_read_by_one_call(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the way out is cut, all hosts are closed at once."""
    gate = one_each(house)
    names = [f"{number}.test" for number in range(100)]
    now, dials = house.clock.now().timestamp(), Politeness()
    opened = [
        gate.ledger.change(name, lambda state: (state.failed(dials, started=now, now=now), None))
        for name in names
    ]
    await asyncio.gather(*opened)
    asked: list[Sequence[str]] = []
    hosts = house.store.hosts

    async def noted(names: Sequence[str]) -> Sequence[HostEntry | None]:
        asked.append(names)
        return await hosts(names)

    monkeypatch.setattr(house.store, "hosts", noted)
    sifted = await gate.sift(delivered(*names), room=10)
    assert sifted.starting == sifted.left == []
    assert asked == [names]
