"""A request for a task of an executor that is sent again, after a change of the executor."""

from typing import Any

import pytest

from taskrunner.domain.errors import ExecutorDisabled, KeyReused, StateConflict
from taskrunner.domain.executors.executor import Executor, ExecutorKind
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.producer.intake import Submitted
from tests.flow.local_runner import LocalRunner
from tests.tools.executors import executor, with_executors

HTTP: dict[str, Any] = {"kind": ExecutorKind.HTTP, "url": "http://target.test/"}
CHANGES: list[dict[str, Any]] = [
    {"timeout": 5.0},
    {"max_attempts": 9},
    {"queue": "low"},
    {"retry": RetryPolicy(base=7)},
    {"retention": 3600.0},
    {"write_concern": WriteConcern.STORE},
    {"url": "http://other.test/"},
    {"method": "PUT"},
    {"headers": {"X-A": "b"}},
    {"enabled": False},
]
REPEATS = pytest.mark.parametrize("repeat", [{"id": "task"}, {"key": "key"}, {"id": "task", "key": "key"}])


def use(runner: LocalRunner, changed: Executor) -> None:
    settings = runner.task_settings
    settings.current = with_executors(changed, settings=settings.current)


async def submit(runner: LocalRunner, *, key: str | None = None, **fields: Any) -> Submitted:
    task = {"executor": "resize_image", "data": {"a": 1}, **fields}
    draft = TaskDraft.from_fields(task, runner.task_settings.current.limits)
    return await runner.intake.submit(draft, idempotency_key=key)


@REPEATS
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
async def test_a_repeated_request_finds_its_task(
    runner: LocalRunner, repeat: dict[str, str], change: dict[str, Any]
) -> None:
    use(runner, executor(**HTTP))
    first = await submit(runner, max_attempts=3, **repeat)
    use(runner, executor(**{**HTTP, **change}))
    again = await submit(runner, max_attempts=3, **repeat)
    assert (again.id, again.created) == (first.id, False)


@REPEATS
async def test_another_request_is_told_from_a_repeated_one(
    runner: LocalRunner, repeat: dict[str, str]
) -> None:
    """Also while the executor is disabled."""
    for enabled in (True, False):
        use(runner, executor(enabled=True, **HTTP))
        await submit(runner, **repeat)
        use(runner, executor(enabled=enabled, **HTTP))
        with pytest.raises(StateConflict, match="another"):
            await submit(runner, data={"a": 2}, **repeat)


@pytest.mark.parametrize(
    "own", [{"timeout": 5}, {"priority": "low"}, {"method": "PUT"}, {"write_concern": "store"}]
)
async def test_a_key_is_for_the_fields_that_the_client_gave(runner: LocalRunner, own: dict[str, Any]) -> None:
    use(runner, executor(**HTTP))
    await submit(runner, key="key", **own)
    assert not (await submit(runner, key="key", **own)).created
    with pytest.raises(KeyReused):
        await submit(runner, key="key")


@pytest.mark.parametrize("repeat", [{}, {"id": "new"}, {"key": "new"}])
async def test_a_disabled_executor_takes_no_new_task(runner: LocalRunner, repeat: dict[str, str]) -> None:
    use(runner, executor(**HTTP))
    await submit(runner, id="task", key="key")
    use(runner, executor(enabled=False, **HTTP))
    with pytest.raises(ExecutorDisabled):
        await submit(runner, **repeat)
