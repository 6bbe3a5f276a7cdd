"""What surrounds a handler: dependencies, middleware, and what importing the SDK loads."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest

import taskrunner.sdk
from taskrunner.handlers.python.dependency import DependencyClosed
from taskrunner.sdk import Fail, Middleware, Task, dependency, handler, remote, use
from taskrunner.sdk.testing import run


def test_importing_the_sdk_loads_no_server() -> None:
    """A web application submits tasks and declares handlers, and does without drivers and pydantic."""
    code = "import sys, taskrunner.sdk; print(*{each.partition('.')[0] for each in sys.modules})"
    loaded = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, check=True, text=True)
    names = set(loaded.stdout.split())
    assert "taskrunner" in names
    assert not names & {"pika", "aiohttp", "sqlalchemy", "pycurl", "redis", "pydantic", "structlog", "grpc"}


def test_dependencies_are_opened_in_order_and_closed_in_reverse() -> None:
    """Sync and async ones, whichever kind of handler uses them."""
    told: list[str] = []

    @dependency
    @contextmanager
    def files() -> Iterator[str]:
        told.append("files open")
        yield "files"
        told.append("files closed")

    @dependency
    @asynccontextmanager
    async def database() -> AsyncIterator[str]:
        told.append(f"database open on {files.get()}")
        yield "database"
        told.append("database closed")

    @handler("both")
    def both(task: Task[Any]) -> list[str]:
        return [files.get(), database.get()]

    @handler("later")
    async def later(task: Task[Any]) -> list[str]:
        return [files.get(), database.get()]

    for name in ("both", "later"):
        assert run(name).result == ["files", "database"]
    assert told == ["files open", "database open on files", "database closed", "files closed"] * 2
    with pytest.raises(DependencyClosed, match="files is not open"):
        files.get()


def test_a_test_can_give_its_own_dependency() -> None:
    told: list[str] = []

    @dependency
    @contextmanager
    def database() -> Iterator[str]:
        told.append("this would need a server")
        yield "real"

    handler("ask")(lambda task: database.get())
    assert run("ask", dependencies={database: "fake"}).result == "fake"
    assert told == []


def test_a_task_waits_while_a_dependency_cannot_be_opened() -> None:
    """The attempt has not begun and does not count; the reason is told without its secrets."""

    def connect(url: str) -> str:
        raise OSError(f"cannot connect to {url}")

    @dependency
    @contextmanager
    def database() -> Iterator[str]:
        yield connect("postgres://me:hunter2@db.test/app")

    handler("ask")(lambda task: database.get())
    ended = run("ask")
    assert (ended.status, ended.counted, ended.delay) == ("retrying", False, 5.0)
    assert "The dependency database of the handlers cannot be opened: OSError" in str(ended.error)
    assert "hunter2" not in str(ended.error)


class _Told(Middleware):
    def __init__(self, name: str, told: list[str]) -> None:
        self._name = name
        self._told = told

    def before(self, task: Task[Any]) -> None:
        self._told.append(f"{self._name} before {task.id}")

    def after(self, task: Task[Any], result: object, error: BaseException | None) -> None:
        self._told.append(f"{self._name} after {result} {type(error).__name__}")


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_middleware_surrounds_the_handler(is_async: bool) -> None:
    """That of all handlers is outside."""
    told: list[str] = []
    use(_Told("all", told))

    async def later(task: Task[Any]) -> str:
        return "done"

    own = (_Told("own", told),)
    handler("do", middleware=own)(later if is_async else lambda task: "done")
    assert run("do").result == "done"
    assert told == [
        "all before test",
        "own before test",
        "own after done NoneType",
        "all after done NoneType",
    ]


def test_what_is_raised_before_keeps_the_handler_from_running() -> None:
    class Closed(Middleware):
        def before(self, task: Task[Any]) -> None:
            raise Fail("closed on Sundays")

    handler("do", middleware=(Closed(),))(lambda task: pytest.fail("it ran"))
    assert (run("do").status, run("do").error) == ("failed", "closed on Sundays")


def test_what_is_raised_afterwards_changes_nothing() -> None:
    """The handler has done its work: another attempt would do it again."""

    class Broken(Middleware):
        def after(self, task: Task[Any], result: object, error: BaseException | None) -> None:
            raise RuntimeError("the metrics server is away")

    handler("do", middleware=(Broken(),))(lambda task: 1)
    assert run("do").result == 1


def test_the_worker_of_remote_executors_is_there_too() -> None:
    """It loads grpc when it is first used."""
    assert taskrunner.sdk.RemoteWorker is remote.RemoteWorker
    with pytest.raises(AttributeError, match="no attribute 'RemoteWorkers'"):
        taskrunner.sdk.RemoteWorkers  # type: ignore[attr-defined]  # noqa: B018 - it raises
