"""Hosts get no more attempts than they may or can take, and tasks that wait take no other task's place."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from taskrunner.consumer.consumer import Consumer
from taskrunner.domain.back_pressure import BackPressure
from taskrunner.domain.circuit_breaker import BreakerSettings, CircuitBreaker
from taskrunner.domain.events import (
    CircuitClosed,
    CircuitOpened,
    HostLimitsChanged,
    HostSlowedDown,
    TaskSettled,
    TasksSnoozed,
)
from taskrunner.domain.host_limit import HostLimit
from taskrunner.domain.host_settings import HostSettings
from taskrunner.domain.host_state import HeldSlots, HostState, decode_state, encode_state
from taskrunner.domain.host_view import HostCondition
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.domain.status import Status
from taskrunner.domain.value import replace
from taskrunner.handlers.base import AttemptContext
from taskrunner.producer.host_admin import HostAdmin
from taskrunner.stores.host_store import HostEdit, HostEntry
from tests.flow.local_runner import DEADLINE, LEASE, OK, LocalRunner, http_error
from tests.tools.severed import Cut, severable

SLOW = "http://slow.test/"
FAST = "http://fast.test/"


def by_host(**answers: Outcome) -> Callable[[AttemptContext], Outcome]:
    """Answers by the first label of the host; all other hosts answer 200."""

    def answer(context: AttemptContext) -> Outcome:
        return answers.get(context.task.url.split("/")[2].split(".")[0], OK)

    return answer


async def store_state(runner: LocalRunner, **fields: object) -> None:
    """Store a state for the slow host, unless it has one: slow, so that no task waits in the backlog."""
    now, until = runner.clock.now(), runner.clock.now() + timedelta(hours=1)
    state = replace(HostState(mean=10.0), **fields)
    entry = HostEntry(host="slow.test", version=f"v{len(fields)}", encoded=encode_state(state), until=until)
    await runner.store.write_hosts([HostEdit(entry=entry, expected=None)], now=now)


async def start_consumer(runner: LocalRunner, workers: int = 4, **limits: HostLimit) -> Consumer:
    """A consumer with limits by the first label of a `.test` host."""
    await store_state(runner)
    configured = {f"{label}.test": limit for label, limit in limits.items()}
    settings = HostSettings(breaker=BreakerSettings(failures=3, cooldown=20.0))
    return await runner.consumer(workers=workers, host_limits=configured, host_settings=settings)


async def pass_time(runner: LocalRunner, seconds: float, settled: int) -> None:
    """Let time pass in steps and settle what is due in each, until `settled` attempts are settled."""
    while len(runner.told(TaskSettled)) < settled:
        await runner.later(seconds)
        async with asyncio.timeout(DEADLINE):
            counts = await runner.store.counts()
            while counts[Status.QUEUED] or counts[Status.RUNNING]:
                await asyncio.sleep(0.02)
                runner.clock.advance(0.05)
                counts = await runner.store.counts()


async def snoozed(runner: LocalRunner, count: int) -> None:
    await runner.until(
        lambda: sum(event.count for event in runner.told(TasksSnoozed)) >= count, f"{count} snoozes"
    )


async def opened(runner: LocalRunner, failure: Outcome, **fields: object) -> None:
    """Open the slow host's circuit by three failures, and let the task `late` wait.

    All three are settled then, so that no lease ends when the test moves the clock.
    """
    runner.target.answer = by_host(slow=failure)
    await start_consumer(runner)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}", max_attempts=1)
    await runner.heard(TaskSettled, 3)
    await runner.heard(CircuitOpened)
    await runner.submit(SLOW, id="late", **fields)
    await snoozed(runner, 1)


async def test_a_host_gets_no_more_attempts_at_a_time_than_its_limit(runner: LocalRunner) -> None:
    """Waiting tasks are snoozed without an attempt, with the reason; other hosts are served."""
    runner.target.gate.clear()
    await start_consumer(runner, slow=HostLimit(concurrency=2))
    for number in range(5):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 3)
    await runner.submit(FAST, id="fast")
    await runner.until_runs(3)
    assert {task_id for task_id, _ in runner.target.ledger} == {"slow-0", "slow-1", "fast"}
    record = await runner.record("slow-4")
    assert (record.status, record.attempt, record.snoozes) == (Status.SCHEDULED, 0, 1)
    assert record.waits_for == "slow.test: concurrency limit"
    assert record.due is not None
    assert record.due > runner.clock.now()
    runner.target.gate.set()
    await runner.heard(TaskSettled, 3)
    await pass_time(runner, 20, 5)
    assert all(event.verdict.status is Status.SUCCEEDED for event in runner.told(TaskSettled))


async def test_a_limit_holds_across_consumers(runner: LocalRunner) -> None:
    """Two consumers together have no more attempts in flight than the limit."""
    runner.target.gate.clear()
    for _ in range(2):
        await start_consumer(runner, slow=HostLimit(concurrency=3))
    for number in range(12):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 9)
    await runner.until_runs(3)
    assert sum(consumer.in_flight for consumer in runner.consumers) == 3


async def test_a_limit_holds_after_an_unexpected_fault(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each task of the batch is then claimed alone, and its host still asked."""
    runner.target.gate.clear()

    async def fail_once(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise ValueError("a fault of ours")

    await store_state(runner)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    monkeypatch.setattr(runner.store, "write_hosts", fail_once)
    await runner.consumer(host_limits={"slow.test": HostLimit(concurrency=1)})
    await snoozed(runner, 2)
    await runner.until_runs(1)
    assert len(runner.target.ledger) == 1


async def test_places_of_a_dead_consumer_are_free_in_time(runner: LocalRunner) -> None:
    """Their leases end, and another consumer takes them."""
    lease = runner.clock.now() + timedelta(seconds=30)
    await store_state(runner, slots={"ghost": HeldSlots(held=1, until=lease.timestamp())})
    await start_consumer(runner, slow=HostLimit(concurrency=1))
    await runner.submit(SLOW, id="second")
    await snoozed(runner, 1)
    assert runner.target.ledger == []
    await runner.later(31)
    await runner.heard(TaskSettled)
    assert runner.target.runs("second") == 1


async def test_an_unreadable_limit_is_ignored(runner: LocalRunner) -> None:
    """A limit of another version stops no consumer, and the other limits hold."""
    await runner.store.save_host_limit("*.test", b'{"moons":3}')
    await runner.store.save_host_limit("slow.test", HostLimit(concurrency=1).encode())
    runner.target.gate.clear()
    await start_consumer(runner)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 2)
    await runner.until_runs(1)
    assert len(runner.target.ledger) == 1


async def test_an_unreadable_state_counts_as_none(runner: LocalRunner) -> None:
    """A damaged state, or one of another version, is overwritten once a task starts there."""
    end = runner.clock.now() + timedelta(hours=1)
    damaged = HostEntry(host="slow.test", version="v", encoded=b'{"slots":7}', until=end)
    await runner.store.write_hosts([HostEdit(entry=damaged, expected=None)], now=runner.clock.now())
    runner.target.gate.clear()
    await start_consumer(runner, slow=HostLimit(concurrency=1))
    await runner.submit(SLOW, id="slow")
    await runner.until_runs(1)
    entry = await runner.store.host("slow.test")
    assert entry is not None
    assert list(decode_state(entry.encoded).slots) == ["consumer-1"]


async def test_a_state_from_the_future_closes_no_host(runner: LocalRunner) -> None:
    """A clock was a day ahead when the host failed: the circuit is half open, and probes go on."""
    ahead = (runner.clock.now() + timedelta(days=1)).timestamp()
    breaker = CircuitBreaker(since=ahead, until=ahead + 20, cooldown=20.0)
    back_pressure = BackPressure(since=ahead, until=ahead + 60, level=2.0)
    await store_state(runner, breaker=breaker, back_pressure=back_pressure, arrival=ahead, tail=ahead)
    shown = await HostAdmin(runner.store, runner.events, runner.clock, {}, HostSettings()).show("slow.test")
    assert (shown.condition, shown.until) == (HostCondition.HALF_OPEN, None)
    await start_consumer(runner)
    await runner.submit(SLOW, id="slow")
    await pass_time(runner, 1, 1)
    assert await runner.status("slow") is Status.SUCCEEDED
    await runner.heard(CircuitClosed)


@pytest.mark.parametrize("cut", list(Cut))
async def test_a_consumer_crashes_as_it_takes_a_place(runner: LocalRunner, cut: Cut) -> None:
    """The delivery comes again; the place of the dead consumer is free once its lease is over."""
    await store_state(runner)
    limit = {"slow.test": HostLimit(concurrency=1)}
    store, line = severable(runner.store, "write_hosts", cut)
    await runner.consumer(store, host_limits=limit)
    await runner.submit(SLOW, id="task")
    await line.cut_off.wait()
    await runner.consumer(host_limits=limit)
    await runner.break_connections()
    if cut is Cut.AFTER:
        await snoozed(runner, 1)
        assert runner.target.ledger == []
        await runner.later(LEASE + 1)
    await runner.heard(TaskSettled)
    assert runner.target.ledger == [("task", 1)]


async def test_starts_keep_their_distance(runner: LocalRunner) -> None:
    """With a rate of 1/s and a burst of 2, two start at once; the others wait a second each."""
    await start_consumer(runner, slow=HostLimit(rate=1.0, burst=2))
    began = runner.clock.now()
    for number in range(6):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 4)
    await runner.heard(TaskSettled, 2)
    dues = [(await runner.record(f"slow-{number}")).due for number in range(6)]
    waits = sorted((due - began).total_seconds() for due in dues if due is not None)
    assert len(waits) == 4
    assert all(later - sooner >= 0.8 for sooner, later in pairwise(waits))


async def test_a_dead_host_is_left_alone(runner: LocalRunner) -> None:
    """After enough failures in a row nothing starts there; waiting tasks do not fail, other hosts go on."""
    await opened(runner, Outcome(kind=OutcomeKind.CONNECT_ERROR, error="refused"))
    await runner.submit(FAST, id="fast")
    await runner.heard(TaskSettled, 4)
    record = await runner.record("late")
    assert (record.status, record.attempt) == (Status.SCHEDULED, 0)
    assert record.waits_for == "slow.test: circuit open"
    assert await runner.status("fast") is Status.SUCCEEDED


async def test_a_reset_lets_waiting_tasks_ask_again(runner: LocalRunner) -> None:
    """They do not wait for the due times that they got while the host was in trouble."""
    await opened(runner, http_error(503))
    await runner.submit(FAST, id="later", delay=3600)
    runner.target.answer = by_host()
    await HostAdmin(runner.store, runner.events, runner.clock, {}, HostSettings()).reset("slow.test")
    assert [event.host for event in runner.told(CircuitClosed)] == ["slow.test"]
    record = await runner.record("late")
    assert record.due is not None
    assert (record.due - runner.clock.now()).total_seconds() == pytest.approx(5.0, abs=0.1)
    assert (record.snoozes, record.waits_for) == (1, None)
    assert (await runner.record("later")).waits_for is None
    await pass_time(runner, 6, 4)
    assert await runner.status("late") is Status.SUCCEEDED
    assert await runner.status("later") is Status.SCHEDULED


async def test_a_task_that_arrives_right_after_a_reset_does_not_wait(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even in a consumer that has not read the shared states since."""
    monkeypatch.setattr("taskrunner.consumer.host_watch.LOOK", 3600.0)
    await opened(runner, http_error(503))
    runner.target.answer = by_host()
    await HostAdmin(runner.store, runner.events, runner.clock, {}, HostSettings()).reset("slow.test")
    await runner.submit(SLOW, id="new")
    await runner.heard(TaskSettled, 4)
    assert await runner.status("new") is Status.SUCCEEDED


@pytest.mark.parametrize("pattern", ["slow.test", "*.test"])
async def test_a_raised_limit_applies_to_waiting_tasks(runner: LocalRunner, pattern: str) -> None:
    """Neither their due times nor those to come follow the old limit."""
    hosts = HostAdmin(runner.store, runner.events, runner.clock, {}, HostSettings())
    await hosts.set_limit(pattern, {"rate": "1/h"})
    await start_consumer(runner)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 2)
    await hosts.set_limit(pattern, {"rate": "100/s"})
    await runner.until(lambda: len(runner.told(HostLimitsChanged)) >= 2, "the consumer knows the new limit")
    await runner.later(6)
    await runner.heard(TaskSettled, 3)


async def test_a_probe_that_succeeds_closes_the_circuit(runner: LocalRunner) -> None:
    """After the cooldown a few probes start; the first success lets all tasks start again."""
    await opened(runner, http_error(503))
    runner.target.answer = by_host()
    await runner.later(41)
    await runner.heard(CircuitClosed)
    await runner.heard(TaskSettled, 4)
    assert await runner.status("late") is Status.SUCCEEDED


async def test_a_probe_that_is_throttled_closes_the_circuit_and_slows_the_host(runner: LocalRunner) -> None:
    """The host answers again, and says so: both events are emitted."""
    await opened(runner, http_error(503), max_attempts=1)
    runner.target.answer = by_host(slow=http_error(429, retry_after=30))
    await runner.later(41)
    await runner.heard(HostSlowedDown)
    await runner.heard(CircuitClosed)


async def test_a_probe_that_fails_opens_the_circuit_for_longer(runner: LocalRunner) -> None:
    await opened(runner, http_error(503), retry={"strategy": "constant", "base": 1})
    began = runner.clock.now()
    await runner.later(41)
    await runner.heard(CircuitOpened, 2)
    entry = await runner.store.host("slow.test")
    assert entry is not None
    assert entry.until > began + timedelta(seconds=80)


async def test_one_429_slows_every_task_to_its_host(runner: LocalRunner) -> None:
    """Until its Retry-After is over; after that, tasks start one by one."""
    runner.target.answer = by_host(slow=http_error(429, retry_after=30))
    await start_consumer(runner)
    await runner.submit(SLOW, id="throttled")
    await runner.heard(HostSlowedDown)
    for number in range(4):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 4)
    assert len(runner.target.ledger) == 1
    runner.target.answer = by_host()
    await pass_time(runner, 31, 6)
    assert (await runner.store.counts())[Status.SUCCEEDED] == 5


async def test_a_rule_may_throttle_a_host(runner: LocalRunner) -> None:
    """An answer that the task's own rule maps to `throttle` works like a 429."""
    runner.target.answer = lambda context: Outcome(
        kind=OutcomeKind.OK, response=OK.response, rule=0 if context.task.id == "throttled" else None
    )
    await start_consumer(runner)
    rules = [{"when": {"status": [200]}, "then": "throttle"}]
    await runner.submit(SLOW, id="throttled", rules=rules)
    await runner.heard(HostSlowedDown)
    await runner.submit(SLOW, id="late")
    await snoozed(runner, 1)
    assert runner.target.runs("late") == 0


async def test_an_expired_task_fails_while_its_host_is_closed(runner: LocalRunner) -> None:
    """The deadline holds during a snooze."""
    runner.target.gate.clear()
    await start_consumer(runner, slow=HostLimit(concurrency=1))
    await runner.submit(SLOW, id="first")
    await runner.until_runs(1)
    expires_at = (runner.clock.now() + timedelta(seconds=DEADLINE)).isoformat()
    await runner.submit(SLOW, id="late", expires_at=expires_at)
    await snoozed(runner, 1)
    await runner.later(DEADLINE + 1)
    assert (await runner.record("late")).reason == "expired"


async def test_limits_of_the_store_are_applied(runner: LocalRunner) -> None:
    """A limit that is set while the consumer runs holds for later tasks."""
    runner.target.gate.clear()
    await start_consumer(runner)
    await runner.store.save_host_limit("*.test", b'{"concurrency": 1}')
    await runner.heard(HostLimitsChanged)
    for number in range(3):
        await runner.submit(SLOW, id=f"slow-{number}")
    await snoozed(runner, 2)
    await runner.until_runs(1)
    assert len(runner.target.ledger) == 1
