"""The executors of Python handlers: registered once per start, under the rules of all executors."""

from collections.abc import Sequence
from typing import Any

import pytest

from taskrunner.consumer.handler_registration import HandlerRegistration
from taskrunner.domain.events import ExecutorNotRegistered, ExecutorRegistered
from taskrunner.domain.executors.executor import MAX_EXECUTORS, Executor, ExecutorKind, ManagedBy
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskSettings
from taskrunner.domain.value import replace
from taskrunner.handlers.python.manifest import HandlerManifest
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.producer.executor_watch import ExecutorWatch
from taskrunner.producer.search import Search
from taskrunner.stores.base import Store
from tests.flow.local_runner import LocalRunner
from tests.tools.executors import executor
from tests.tools.interposed import interposed

HANDLER = HandlerManifest(name="resize_image", place="tasks.py:3", timeout=5.0)
OTHER = HandlerManifest(name="other", place="tasks.py:9")


def registration(
    runner: LocalRunner, *handlers: HandlerManifest, store: Store | None = None
) -> HandlerRegistration:
    """Of a consumer that has just started."""
    return HandlerRegistration(
        store or runner.store, runner.events, runner.clock, runner.task_settings, handlers
    )


async def stored(runner: LocalRunner) -> dict[str, Executor]:
    return {each.name: each for each in await runner.store.executors()}


def reasons(runner: LocalRunner) -> Sequence[str]:
    return [each.reason for each in runner.told(ExecutorNotRegistered)]


async def test_two_versions_of_the_code_do_not_take_turns(runner: LocalRunner) -> None:
    """In a rolling deployment the one that started last has its way."""
    old = registration(runner, HANDLER)
    new = registration(runner, replace(HANDLER, timeout=9.0))
    for each in (old, new, old, new, old):
        await each.turn()
    made = (await stored(runner))["resize_image"]
    assert (made.timeout, made.version, made.managed_by) == (9.0, 2, ManagedBy.CODE)
    assert len(runner.told(ExecutorRegistered)) == 2


async def test_what_an_operator_deletes_comes_back_at_the_next_start(runner: LocalRunner) -> None:
    first = registration(runner, HANDLER)
    await first.turn()
    assert await runner.store.delete_executor((await stored(runner))["resize_image"])
    await first.turn()
    assert await stored(runner) == {}
    await registration(runner, HANDLER).turn()
    assert list(await stored(runner)) == ["resize_image"]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"queue": "reportz"}, "queue: must be a declared queue"),
        ({"timeout": 80_000.0}, "timeout: must be at most 900"),
        ({"max_attempts": 100_000}, "max_attempts: must be at most 100"),
        ({"description": "x" * 5000}, "description: "),
        ({"schema": {"type": "nothing"}}, "schema: "),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_no_executor_may_have_is_told(
    fields: dict[str, Any], told: str, runner: LocalRunner
) -> None:
    """Once, and the other handlers are registered. It is looked at again."""
    service = registration(runner, replace(HANDLER, **fields), OTHER)
    await service.turn()
    await service.turn()
    (reason,) = reasons(runner)
    assert told in reason
    assert list(await stored(runner)) == ["other"]


async def test_a_handler_is_registered_once_its_queue_is_declared(runner: LocalRunner) -> None:
    service = registration(runner, replace(HANDLER, queue="reports"))
    await service.turn()
    limits = TaskLimits(queues=("reports",))
    runner.task_settings.current = TaskSettings(limits=limits)
    await service.turn()
    assert (await stored(runner))["resize_image"].queue == "reports"


async def test_there_are_few_executors(runner: LocalRunner) -> None:
    """A change of one that is there needs no room."""
    await registration(runner, HANDLER).turn()
    for number in range(MAX_EXECUTORS - 1):
        assert await runner.store.save_executor(executor(f"e{number}"), expected=None)
    await registration(runner, replace(HANDLER, timeout=9.0), OTHER).turn()
    assert (await stored(runner))["resize_image"].timeout == 9.0
    assert f"at most {MAX_EXECUTORS}" in reasons(runner)[0]


async def test_a_lost_race_is_run_again(runner: LocalRunner) -> None:
    """An operator made the executor between our read and our write."""

    async def make(_: object) -> None:
        await runner.store.save_executor(executor(), expected=None)

    service = registration(runner, HANDLER, store=interposed(runner.store, "executors", make))
    assert await service.turn() < 1
    assert runner.told(ExecutorRegistered) == []
    await service.turn()
    assert (await stored(runner))["resize_image"].managed_by is ManagedBy.OPERATOR
    assert "timeout has no effect" in reasons(runner)[0]


async def test_another_kind_keeps_the_name_until_it_is_deleted(runner: LocalRunner) -> None:
    remote = executor(kind=ExecutorKind.REMOTE)
    await runner.store.save_executor(remote, expected=None)
    service = registration(runner, HANDLER)
    await service.turn()
    assert "it exists with the kind remote" in reasons(runner)[0]
    await runner.store.delete_executor(remote)
    await service.turn()
    assert (await stored(runner))["resize_image"].kind is ExecutorKind.PYTHON


async def test_an_executor_beyond_the_limits_can_be_switched(runner: LocalRunner) -> None:
    """Limits may be lowered and queues deleted while it is there; it stays with its code."""
    made = executor(queue="reportz", timeout=80_000.0, managed_by=ManagedBy.CODE)
    await runner.store.save_executor(made, expected=None)
    watch = ExecutorWatch(runner.store, runner.events, runner.clock, runner.task_settings.current.executors)
    admin = ExecutorAdmin(
        runner.store,
        Search(runner.store),
        runner.cancellation,
        runner.clock,
        runner.task_settings,
        watch,
    )
    for enabled in (False, True):
        patched = await admin.patch("resize_image", b'{"enabled": %s}' % str(enabled).lower().encode())
        assert (patched.enabled, patched.managed_by) == (enabled, ManagedBy.CODE)
    assert (patched.queue, patched.version) == ("reportz", 3)
