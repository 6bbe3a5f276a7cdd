"""Politeness: hosts get no more than they may or can take, and who must wait takes no other's place."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from taskrunner.consumer.consumer import Consumer
from taskrunner.domain.breaker import Breaker, BreakerDials
from taskrunner.domain.events import (
    CircuitClosed,
    CircuitOpened,
    HostLimitsChanged,
    HostSlowedDown,
    TaskSettled,
    TasksSnoozed,
)
from taskrunner.domain.host_limit import HostLimit
from taskrunner.domain.host_state import HostState, Slots, decode_state, encode_state
from taskrunner.domain.host_view import Standing
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.politeness import Politeness
from taskrunner.domain.slowdown import Slowdown
from taskrunner.domain.status import Status
from taskrunner.handlers.base import Attempting
from taskrunner.producer.hosts import Hosts
from taskrunner.stores.host_book import HostEdit, HostEntry
from tests.flow.house import DEADLINE, LEASE, OK, House, http_error
from tests.tools.severed import Cut, severable

SLOW = "http://slow.test/"
FAST = "http://fast.test/"


def by_host(**answers: Outcome) -> Callable[[Attempting], Outcome]:
    """Answers by the first label of the host; others are fine."""

    def answer(attempting: Attempting) -> Outcome:
        return answers.get(attempting.task.url.split("/")[2].split(".")[0], OK)

    return answer


async def known(house: House, **fields: object) -> None:
    """The slow host's state: its attempts take long, so nobody waits at hand for it. The first one stays."""
    now, until = house.clock.now(), house.clock.now() + timedelta(hours=1)
    state = replace(HostState(mean=10.0), **fields)  # type: ignore[arg-type]  # a test's own fields
    entry = HostEntry(host="slow.test", version=f"v{len(fields)}", encoded=encode_state(state), until=until)
    await house.store.write_hosts([HostEdit(entry=entry, expected=None)], now=now)


async def polite(house: House, workers: int = 4, **limits: HostLimit) -> Consumer:
    """A consumer with limits by the first label of a `.test` host."""
    await known(house)
    configured = {f"{label}.test": limit for label, limit in limits.items()}
    dials = Politeness(breaker=BreakerDials(failures=3, cooldown=20.0))
    return await house.consumer(workers=workers, host_limits=configured, politeness=dials)


async def pass_time(house: House, seconds: float, settled: int) -> None:
    """Let time pass in steps, and what is due come to its end in each, until so many attempts are settled."""
    while len(house.told(TaskSettled)) < settled:
        await house.later(seconds)
        async with asyncio.timeout(DEADLINE):
            counts = await house.store.counts()
            while counts[Status.QUEUED] or counts[Status.RUNNING]:
                await asyncio.sleep(0.02)
                house.clock.advance(0.05)
                counts = await house.store.counts()


async def snoozed(house: House, count: int) -> None:
    await house.until(
        lambda: sum(event.count for event in house.told(TasksSnoozed)) >= count, f"{count} snoozes"
    )


async def opened(house: House, failure: Outcome, **fields: object) -> None:
    """The slow host's circuit is open after three failures, and the task `late` of these fields waits."""
    house.target.answer = by_host(slow=failure)
    await polite(house)
    for number in range(3):
        await house.submit(SLOW, id=f"slow-{number}", max_attempts=1)
    await house.heard(CircuitOpened)
    await house.submit(SLOW, id="late", **fields)
    await snoozed(house, 1)


async def test_a_host_gets_no_more_at_a_time_than_it_may(house: House) -> None:
    """What waits is snoozed without an attempt and says why; others pass by."""
    house.target.gate.clear()
    await polite(house, slow=HostLimit(concurrency=2))
    for number in range(5):
        await house.submit(SLOW, id=f"slow-{number}")
    await snoozed(house, 3)
    await house.submit(FAST, id="fast")
    await house.until_runs(3)
    assert {task_id for task_id, _ in house.target.ledger} == {"slow-0", "slow-1", "fast"}
    record = await house.record("slow-4")
    assert (record.status, record.attempt, record.snoozes) == (Status.SCHEDULED, 0, 1)
    assert record.waits_for == "slow.test: concurrency limit"
    assert record.due is not None
    assert record.due > house.clock.now()
    house.target.gate.set()
    await house.heard(TaskSettled, 3)
    await pass_time(house, 20, 5)
    assert all(event.verdict.status is Status.SUCCEEDED for event in house.told(TaskSettled))


async def test_a_limit_holds_across_consumers(house: House) -> None:
    """Two consumers have no more under way together than the limit says."""
    house.target.gate.clear()
    for _ in range(2):
        await polite(house, slow=HostLimit(concurrency=3))
    for number in range(12):
        await house.submit(SLOW, id=f"slow-{number}")
    await snoozed(house, 9)
    await house.until_runs(3)
    assert sum(consumer.in_flight for consumer in house.consumers) == 3


async def test_a_limit_holds_after_a_fault_that_nobody_expected(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task of the batch is then tried by itself, and its host asked all the same."""
    house.target.gate.clear()

    async def fail_once(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise ValueError("a fault of ours")

    await known(house)
    for number in range(3):
        await house.submit(SLOW, id=f"slow-{number}")
    monkeypatch.setattr(house.store, "write_hosts", fail_once)
    await house.consumer(host_limits={"slow.test": HostLimit(concurrency=1)})
    await snoozed(house, 2)
    await house.until_runs(1)
    assert len(house.target.ledger) == 1


async def test_places_of_a_dead_consumer_are_free_in_time(house: House) -> None:
    """Its lease ends, and another consumer takes what it held."""
    lease = house.clock.now() + timedelta(seconds=30)
    await known(house, slots={"ghost": Slots(held=1, until=lease.timestamp())})
    await polite(house, slow=HostLimit(concurrency=1))
    await house.submit(SLOW, id="second")
    await snoozed(house, 1)
    assert house.target.ledger == []
    await house.later(31)
    await house.heard(TaskSettled)
    assert house.target.runs("second") == 1


async def test_a_limit_that_nobody_can_read_is_passed_over(house: House) -> None:
    """One of another version stops no consumer, and the other limits hold."""
    await house.store.save_host_limit("*.test", b'{"moons":3}')
    await house.store.save_host_limit("slow.test", HostLimit(concurrency=1).encode())
    house.target.gate.clear()
    await polite(house)
    for number in range(3):
        await house.submit(SLOW, id=f"slow-{number}")
    await snoozed(house, 2)
    await house.until_runs(1)
    assert len(house.target.ledger) == 1


async def test_a_state_that_nobody_can_read_is_none(house: House) -> None:
    """A damaged one, or one of another version, is written over as soon as a task starts there."""
    end = house.clock.now() + timedelta(hours=1)
    damaged = HostEntry(host="slow.test", version="v", encoded=b'{"slots":7}', until=end)
    await house.store.write_hosts([HostEdit(entry=damaged, expected=None)], now=house.clock.now())
    house.target.gate.clear()
    await polite(house, slow=HostLimit(concurrency=1))
    await house.submit(SLOW, id="slow")
    await house.until_runs(1)
    entry = await house.store.host("slow.test")
    assert entry is not None
    assert list(decode_state(entry.encoded).slots) == ["consumer-1"]


async def test_a_state_from_the_future_closes_no_host(house: House) -> None:
    """Somebody's clock was a day ahead when the host failed: probes find out, and it is shown so."""
    ahead = (house.clock.now() + timedelta(days=1)).timestamp()
    breaker = Breaker(since=ahead, until=ahead + 20, cooldown=20.0)
    slowdown = Slowdown(since=ahead, until=ahead + 60, level=2.0)
    await known(house, breaker=breaker, slowdown=slowdown, arrival=ahead, tail=ahead)
    shown = await Hosts(house.store, house.events, house.clock, {}, Politeness()).show("slow.test")
    assert (shown.standing, shown.until) == (Standing.HALF_OPEN, None)
    await polite(house)
    await house.submit(SLOW, id="slow")
    await pass_time(house, 1, 1)
    assert await house.status("slow") is Status.SUCCEEDED
    await house.heard(CircuitClosed)


@pytest.mark.parametrize("cut", list(Cut))
async def test_the_consumer_dies_as_it_takes_a_place(house: House, cut: Cut) -> None:
    """The delivery comes again; a place that the dead one took is free when its lease is over."""
    await known(house)
    limit = {"slow.test": HostLimit(concurrency=1)}
    store, line = severable(house.store, "write_hosts", cut)
    await house.consumer(store, host_limits=limit)
    await house.submit(SLOW, id="task")
    await line.cut_off.wait()
    await house.consumer(host_limits=limit)
    await house.break_connections()
    if cut is Cut.AFTER:
        await snoozed(house, 1)
        assert house.target.ledger == []
        await house.later(LEASE + 1)
    await house.heard(TaskSettled)
    assert house.target.ledger == [("task", 1)]


async def test_starts_keep_their_distance(house: House) -> None:
    """Of a rate of 1/s with a burst of 2, two start at once; the others have a second each to wait."""
    await polite(house, slow=HostLimit(rate=1.0, burst=2))
    began = house.clock.now()
    for number in range(6):
        await house.submit(SLOW, id=f"slow-{number}")
    await snoozed(house, 4)
    await house.heard(TaskSettled, 2)
    dues = [(await house.record(f"slow-{number}")).due for number in range(6)]
    waits = sorted((due - began).total_seconds() for due in dues if due is not None)
    assert len(waits) == 4
    assert all(later - sooner >= 0.8 for sooner, later in pairwise(waits))


async def test_a_dead_host_is_left_alone(house: House) -> None:
    """After enough failures in a row nothing starts there; what waits is not failed, and others go on."""
    await opened(house, Outcome(kind=OutcomeKind.CONNECT_ERROR, error="refused"))
    await house.submit(FAST, id="fast")
    await house.heard(TaskSettled, 4)
    record = await house.record("late")
    assert (record.status, record.attempt) == (Status.SCHEDULED, 0)
    assert record.waits_for == "slow.test: circuit open"
    assert await house.status("fast") is Status.SUCCEEDED


async def test_a_reset_lets_those_who_wait_ask_again(house: House) -> None:
    """They need not sit out the time that they were given when the host was in trouble."""
    await opened(house, http_error(503))
    await house.submit(FAST, id="later", delay=3600)
    house.target.answer = by_host()
    await Hosts(house.store, house.events, house.clock, {}, Politeness()).reset("slow.test")
    assert [event.host for event in house.told(CircuitClosed)] == ["slow.test"]
    record = await house.record("late")
    assert record.due is not None
    assert (record.due - house.clock.now()).total_seconds() == pytest.approx(5.0, abs=0.1)
    assert (record.snoozes, record.waits_for) == (1, None)
    assert (await house.record("later")).waits_for is None
    await pass_time(house, 6, 4)
    assert await house.status("late") is Status.SUCCEEDED
    assert await house.status("later") is Status.SCHEDULED


async def test_a_task_that_comes_right_after_a_reset_does_not_wait(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor by a consumer that looks at what others have written only later."""
    monkeypatch.setattr("taskrunner.consumer.host_watch.LOOK", 3600.0)
    await opened(house, http_error(503))
    house.target.answer = by_host()
    await Hosts(house.store, house.events, house.clock, {}, Politeness()).reset("slow.test")
    await house.submit(SLOW, id="new")
    await house.heard(TaskSettled, 4)
    assert await house.status("new") is Status.SUCCEEDED


@pytest.mark.parametrize("pattern", ["slow.test", "*.test"])
async def test_a_raised_limit_counts_for_those_who_wait(house: House, pattern: str) -> None:
    """Neither their moments nor the promises to come hold on to the limit of before."""
    hosts = Hosts(house.store, house.events, house.clock, {}, Politeness())
    await hosts.set_limit(pattern, {"rate": "1/h"})
    await polite(house)
    for number in range(3):
        await house.submit(SLOW, id=f"slow-{number}")
    await snoozed(house, 2)
    await hosts.set_limit(pattern, {"rate": "100/s"})
    await house.until(lambda: len(house.told(HostLimitsChanged)) >= 2, "the consumer has heard of it")
    await house.later(6)
    await house.heard(TaskSettled, 3)


async def test_a_probe_that_succeeds_closes_the_circuit(house: House) -> None:
    """When its time is over a few go through; the first that comes back well lets all start again."""
    await opened(house, http_error(503))
    house.target.answer = by_host()
    await house.later(41)
    await house.heard(CircuitClosed)
    await house.heard(TaskSettled, 4)
    assert await house.status("late") is Status.SUCCEEDED


async def test_a_probe_that_is_throttled_closes_the_circuit_and_slows_the_host(house: House) -> None:
    """It is there again, and says so: both are told."""
    await opened(house, http_error(503), max_attempts=1)
    house.target.answer = by_host(slow=http_error(429, retry_after=30))
    await house.later(41)
    await house.heard(HostSlowedDown)
    await house.heard(CircuitClosed)


async def test_a_probe_that_fails_opens_it_for_longer(house: House) -> None:
    await opened(house, http_error(503), retry={"strategy": "constant", "base": 1})
    began = house.clock.now()
    await house.later(41)
    await house.heard(CircuitOpened, 2)
    entry = await house.store.host("slow.test")
    assert entry is not None
    assert entry.until > began + timedelta(seconds=80)


async def test_one_429_slows_every_task_to_its_host(house: House) -> None:
    """Until its Retry-After is over, and after that at a distance."""
    house.target.answer = by_host(slow=http_error(429, retry_after=30))
    await polite(house)
    await house.submit(SLOW, id="told")
    await house.heard(HostSlowedDown)
    for number in range(4):
        await house.submit(SLOW, id=f"slow-{number}")
    await snoozed(house, 4)
    assert len(house.target.ledger) == 1
    house.target.answer = by_host()
    await pass_time(house, 31, 6)
    assert (await house.store.counts())[Status.SUCCEEDED] == 5


async def test_a_rule_may_throttle_a_host(house: House) -> None:
    """An answer that the task's own rule takes for `throttle` is as good as a 429."""
    house.target.answer = lambda attempting: Outcome(
        kind=OutcomeKind.OK, response=OK.response, rule=0 if attempting.task.id == "told" else None
    )
    await polite(house)
    rules = [{"when": {"status": [200]}, "then": "throttle"}]
    await house.submit(SLOW, id="told", rules=rules)
    await house.heard(HostSlowedDown)
    await house.submit(SLOW, id="late")
    await snoozed(house, 1)
    assert house.target.runs("late") == 0


async def test_an_expired_task_fails_though_its_host_rests(house: House) -> None:
    """Its deadline holds while it is snoozed."""
    house.target.gate.clear()
    await polite(house, slow=HostLimit(concurrency=1))
    await house.submit(SLOW, id="first")
    await house.until_runs(1)
    expires_at = (house.clock.now() + timedelta(seconds=DEADLINE)).isoformat()
    await house.submit(SLOW, id="late", expires_at=expires_at)
    await snoozed(house, 1)
    await house.later(DEADLINE + 1)
    assert (await house.record("late")).reason == "expired"


async def test_limits_of_the_store_are_heard_of(house: House) -> None:
    """One that is given while the consumer runs holds for what comes after."""
    house.target.gate.clear()
    await polite(house)
    await house.store.save_host_limit("*.test", b'{"concurrency": 1}')
    await house.heard(HostLimitsChanged)
    for number in range(3):
        await house.submit(SLOW, id=f"slow-{number}")
    await snoozed(house, 2)
    await house.until_runs(1)
    assert len(house.target.ledger) == 1
