"""ParentLog: what handlers log themselves reaches the parent without secrets, and fails nobody."""

import asyncio
import logging
from collections.abc import Iterator

import pytest

from taskrunner.consumer.processes.parent_log import ParentLog
from taskrunner.domain.tasks.task_log import TASK_LOGGER
from taskrunner.handlers.python.task import Task
from tests.tools.attempts import make_python

Sent = list[tuple[str, int, str]]


class _Backlog:
    """How many texts wait to be sent."""

    size = 0


@pytest.fixture
def backlog() -> _Backlog:
    return _Backlog()


@pytest.fixture
def sent(
    backlog: _Backlog, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[Sent]:
    # A command that ran in this process may have set another level.
    caplog.set_level(logging.INFO, logger=TASK_LOGGER)
    monkeypatch.setenv("DB_PASSWORD", "env-hunter2")
    sent: Sent = []
    handler = ParentLog(lambda *line: sent.append(line), lambda: backlog.size)
    logging.getLogger().addHandler(handler)
    yield sent
    logging.getLogger().removeHandler(handler)


@pytest.fixture
def task() -> Task[object]:
    return Task({}, make_python("resize", {"token": "data-hunter2"}, name="t"), ends=0.0)


def test_a_traceback_that_a_handler_logs_has_no_secret(sent: Sent, task: Task[object]) -> None:
    """Neither one that looks like it, nor one of the environment, nor one of the data."""
    try:
        raise OSError("password=hunter2 env-hunter2 data-hunter2")
    except OSError:
        task.log.exception("oops with %s", "data-hunter2", extra={"more": 1})
    ((name, level, text),) = sent
    assert (name, level) == ("taskrunner.task", logging.ERROR)
    assert text.startswith("resize t#1: oops with ***\nTraceback")
    assert text.endswith("OSError: password=*** *** ***")


async def test_what_asyncio_logs_has_no_secret(sent: Sent) -> None:
    """An exception that no coroutine waits for, for example."""
    context = {"message": "never retrieved", "exception": OSError("password=hunter2 and env-hunter2")}
    asyncio.get_running_loop().call_exception_handler(context)
    ((name, _, text),) = sent
    assert (name, text.endswith("OSError: password=*** and ***")) == ("asyncio", True)


def test_a_log_call_that_cannot_be_formatted_fails_nobody(
    sent: Sent, task: Task[object], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = [each for each in logging.getLogger().handlers if isinstance(each, ParentLog)]
    # The handlers of pytest let a bad call fail.
    monkeypatch.setattr(logging.getLogger(), "handlers", ours)
    task.log.warning("%d", "data-hunter2")
    ((_, _, text),) = sent
    assert text.startswith("a log call in test_parent_log.py:")
    assert text.endswith("cannot be formatted: TypeError")


def test_lines_are_dropped_while_too_many_wait(sent: Sent, task: Task[object], backlog: _Backlog) -> None:
    backlog.size = 1001
    task.log.warning("dropped")
    backlog.size = 0
    task.log.warning("sent")
    assert [text for _, _, text in sent] == ["resize t#1: sent (1 lines before this one were dropped)"]
