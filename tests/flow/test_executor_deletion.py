"""Deleting an executor while another process, which does not know yet, takes a task of it."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from taskrunner.domain.errors import StateConflict, StoreUnavailable
from taskrunner.domain.executors.executor import Executor
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.producer.executor_watch import INTERVAL, ExecutorWatch
from taskrunner.producer.search import Search
from tests.flow.local_runner import LocalRunner
from tests.tools.executors import executor, with_executors

NAME = "resize_image"
Sleep = Callable[[float], Awaitable[None]]


class Scene:
    """An executor in the store, who deletes it, and another process that read it before."""

    def __init__(self, runner: LocalRunner) -> None:
        settings = runner.task_settings
        settings.current = with_executors(settings=settings.current)
        self.runner = runner
        self._watch = ExecutorWatch(runner.store, runner.events, runner.clock, settings.current.executors)

    async def make(self, *, enabled: bool = True) -> Executor:
        made = executor(NAME, enabled=enabled)
        assert await self.runner.store.save_executor(made, expected=None)
        await self._watch.refresh()
        return made

    async def find(self) -> Executor | None:
        return next(iter(await self.runner.store.executors()), None)

    async def delete(self, sleep: Sleep, *, cancel: bool = False) -> int:
        runner = self.runner
        admin = ExecutorAdmin(
            runner.store,
            Search(runner.store),
            runner.cancellation,
            runner.clock,
            runner.task_settings,
            self._watch,
            sleep,
        )
        return await admin.delete(NAME, cancel=cancel)

    async def submit_elsewhere(self, task_id: str) -> None:
        """To a process that knows the executor as it was made."""
        runner = self.runner
        elsewhere = with_executors(executor(NAME), settings=runner.task_settings.current)
        draft = TaskDraft.from_fields({"executor": NAME}, elsewhere.limits)
        now = runner.clock.now()
        await runner.store.accept([NewTask.of(draft.to_task(elsewhere, task_id=task_id, now=now), due=now)])


@pytest.fixture
def scene(runner: LocalRunner) -> Scene:
    return Scene(runner)


def meanwhile(act: Callable[[], Awaitable[object]]) -> Sleep:
    """What happens in the seconds that a deletion waits, which are as long as news take."""

    async def sleep(seconds: float) -> None:
        assert seconds > INTERVAL
        await act()

    return sleep


@pytest.mark.parametrize("is_early", [False, True])
async def test_no_task_outlives_its_executor(scene: Scene, *, is_early: bool) -> None:
    """Whoever cancels meets each task, and tells how many there were."""
    await scene.make()
    if is_early:
        await scene.submit_elsewhere("early")
    late = meanwhile(lambda: scene.submit_elsewhere("late"))
    assert await scene.delete(late, cancel=True) == 1 + is_early
    ids = ["early", "late"] if is_early else ["late"]
    assert {await scene.runner.status(each) for each in ids} == {Status.CANCELLED}
    assert await scene.find() is None


@pytest.mark.parametrize("enabled", [True, False])
async def test_a_task_that_comes_in_time_keeps_its_executor(scene: Scene, *, enabled: bool) -> None:
    """The refused deletion leaves everything as it was."""
    made = await scene.make(enabled=enabled)
    with pytest.raises(StateConflict, match="tasks that have not ended"):
        await scene.delete(meanwhile(lambda: scene.submit_elsewhere("late")))
    kept = await scene.find()
    assert kept is not None
    assert (kept.enabled, kept.version) == (enabled, made.version + 2 * enabled)
    assert await scene.runner.status("late") is Status.SCHEDULED


async def test_one_with_a_live_task_is_not_even_disabled(scene: Scene) -> None:
    made = await scene.make()
    await scene.submit_elsewhere("early")

    async def never() -> None:
        raise AssertionError("it waited")

    with pytest.raises(StateConflict):
        await scene.delete(meanwhile(never))
    assert await scene.find() == made


async def test_it_takes_no_task_while_it_is_deleted(scene: Scene) -> None:
    """In a process that knows, which this one does at once."""
    await scene.make()

    async def look() -> None:
        found = await scene.find()
        assert found is not None
        assert not found.enabled

    assert await scene.delete(meanwhile(look)) == 0
    assert await scene.find() is None


@pytest.mark.parametrize("fault", [asyncio.CancelledError, StoreUnavailable])
async def test_a_deletion_that_is_broken_off_leaves_it_enabled(
    scene: Scene, fault: type[BaseException]
) -> None:
    await scene.make()

    async def fail() -> None:
        raise fault("in a test")

    with pytest.raises(fault):
        await scene.delete(meanwhile(fail))
    kept = await scene.find()
    assert kept is not None
    assert kept.enabled


async def test_whoever_changes_it_meanwhile_keeps_it(scene: Scene) -> None:
    """Such as a handler that registers it again: it is neither deleted nor changed back."""
    made = await scene.make()
    other = executor(NAME, version=7, description="of another")

    async def change() -> None:
        found = await scene.find()
        assert found is not None
        assert await scene.runner.store.save_executor(other, expected=found)

    with pytest.raises(StateConflict, match="changed by others"):
        await scene.delete(meanwhile(change))
    assert made != other == await scene.find()
