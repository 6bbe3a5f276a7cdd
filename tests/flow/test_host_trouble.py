"""Hosts in trouble: circuit breakers, back-pressure, and the tasks that wait for them."""

from datetime import timedelta

import pytest

from taskrunner.domain.events import CircuitClosed, CircuitOpened, HostSlowedDown, TaskSettled
from taskrunner.domain.hosts.back_pressure import BackPressure
from taskrunner.domain.hosts.circuit_breaker import CircuitBreaker
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_view import HostCondition
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.host_admin import HostAdmin
from tests.flow.hosts import FAST, SLOW, by_host, pass_time, snoozed, start_consumer, store_state
from tests.flow.local_runner import OK, LocalRunner, http_error


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
    monkeypatch.setattr("taskrunner.consumer.host_watch.INTERVAL", 3600.0)
    await opened(runner, http_error(503))
    runner.target.answer = by_host()
    await HostAdmin(runner.store, runner.events, runner.clock, {}, HostSettings()).reset("slow.test")
    await runner.submit(SLOW, id="new")
    await runner.heard(TaskSettled, 4)
    assert await runner.status("new") is Status.SUCCEEDED


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
