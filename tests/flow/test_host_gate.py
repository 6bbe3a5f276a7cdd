"""The host gate alone: its counts stay right, whatever comes between its steps."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

import pytest

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.hosts.host_limit import HostLimit, HostLimits
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.hosts.host_state import decode_state
from taskrunner.stores.host_store import HostAnswer, HostEdit, HostEntry
from tests.flow.gate_parts import Parts, delivered, make_parts, start
from tests.flow.local_runner import LocalRunner


def one_each(runner: LocalRunner) -> Parts:
    """A gate that lets one attempt at a time start at each host."""
    return make_parts(runner, {"*": HostLimit(concurrency=1)})


async def test_a_host_is_not_forgotten_as_its_task_starts(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many hosts there are, its attempts are counted and its limit holds."""
    monkeypatch.setattr("taskrunner.consumer.host_stats._MAX_HOSTS", 2)
    parts = one_each(runner)
    assert await start(runner, parts, delivered(parts, "a.test", "b.test", "c.test")) == 3
    assert await start(runner, parts, delivered(parts, "a.test", "d.test")) == 1


async def test_a_place_is_given_back_when_another_host_cannot_be_asked(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is given up as a whole, also when only some of its changes were written, and that later."""
    monkeypatch.setattr("taskrunner.consumer.shared_host_states._BATCH", 1)
    monkeypatch.setattr("taskrunner.consumer.shared_host_states._SPACING", 0.05)
    parts = one_each(runner)
    gate, states = parts.gate, parts.states

    async def fail_once(edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        monkeypatch.undo()
        raise StoreUnavailable("away for a moment")

    monkeypatch.setattr(runner.store, "write_hosts", fail_once)
    with pytest.raises(StoreUnavailable):
        await gate.admit(delivered(parts, "a.test", "b.test"), room=10)
    gate.end_batch()
    await states.drain()
    parts.watch.renew_places()
    await states.drain()
    entry = await runner.store.host("b.test")
    assert entry is not None
    assert decode_state(entry.encoded).slots == {}


async def test_of_an_unmeasured_limited_host_few_tasks_wait_in_the_backlog(runner: LocalRunner) -> None:
    """Its limit says who may start; all but the next few are snoozed at once, so that others are seen."""
    parts = one_each(runner)
    admitted = await parts.gate.admit(delivered(parts, *["a.test"] * 100), room=10)
    assert len(admitted.starting) == 1
    assert len(admitted.left) < 10
    assert len(admitted.left) + len(admitted.snoozes) == 99


async def test_those_of_a_slow_host_come_back_as_its_limit_lets_them(runner: LocalRunner) -> None:
    """This consumer could run ten at a time; the host takes one every two seconds."""
    parts = one_each(runner)
    await start(runner, parts, delivered(parts, "a.test"))
    parts.watch.measure_running()
    runner.clock.advance(2.0)
    parts.watch.measure_running()
    parts.watch.renew_places()
    await parts.states.drain()
    snoozes = (await parts.gate.admit(delivered(parts, *["a.test"] * 20), room=9)).snoozes
    moments = [each.due.timestamp() for each in snoozes if each.due is not None]
    assert len(moments) == 20
    assert {each.why for each in snoozes} == {"a.test: concurrency limit"}
    assert moments[-1] - moments[0] == pytest.approx(19 * 2.0, rel=0.2)


async def test_hosts_that_are_closed_are_read_by_one_call(
    runner: LocalRunner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the way out is cut, all hosts are closed at once."""
    parts = one_each(runner)
    gate, states = parts.gate, parts.states
    names = [f"{number}.test" for number in range(100)]
    now, settings = runner.clock.now().timestamp(), HostSettings()
    opened = [
        states.change(name, lambda state: (state.failed(settings, started=now, now=now), None))
        for name in names
    ]
    await asyncio.gather(*opened)
    asked: list[Sequence[str]] = []
    hosts = runner.store.hosts

    async def noted(names: Sequence[str]) -> Sequence[HostEntry | None]:
        asked.append(names)
        return await hosts(names)

    monkeypatch.setattr(runner.store, "hosts", noted)
    admitted = await gate.admit(delivered(parts, *names), room=10)
    assert admitted.starting == admitted.left == []
    assert asked == [names]


async def test_once_a_limit_is_lifted_only_those_start_that_have_a_worker(runner: LocalRunner) -> None:
    """All that waits at a limited host is taken, so that the shared state decides about it."""
    parts = one_each(runner)
    for waiting in delivered(parts, *["a.test"] * 50):
        parts.backlog.append(waiting)
    taken = parts.gate.take(4, 10)
    assert len(taken) == 50
    parts.hosts.apply_limits(HostLimits())
    admitted = await parts.gate.admit(taken)
    assert (len(admitted.starting), len(admitted.left), admitted.snoozes) == (4, 46, [])
    parts.backlog.put_back(admitted.left)
    parts.gate.end_batch()
    assert len(parts.gate.take(4, 10)) == 4
