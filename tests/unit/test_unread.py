"""What asyncio reports as an exception that was never retrieved: bugs of ours, and no failed look-up."""

import asyncio
import gc
import logging
import socket

import pytest

from taskrunner.app.loop import run
from taskrunner.runtime.unread import read_failure

NAME = socket.gaierror(socket.EAI_NONAME, "Name or service not known")


def forgotten(exc: Exception) -> int:
    """A command that loses a future with this exception."""

    async def main() -> int:
        asyncio.get_running_loop().create_future().set_exception(exc)
        gc.collect()
        return 0

    return run(main())


def test_a_look_up_that_nobody_waits_for_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    """uvloop loses its future when the connection attempt is cancelled."""
    with caplog.at_level(logging.ERROR, "asyncio"):
        assert forgotten(NAME) == 0
    assert caplog.text == ""


@pytest.mark.parametrize("exc", [ValueError("a bug"), OSError("lost"), ConnectionResetError()])
def test_what_else_was_forgotten_is_reported(caplog: pytest.LogCaptureFixture, exc: Exception) -> None:
    with caplog.at_level(logging.ERROR, "asyncio"):
        assert forgotten(exc) == 0
    assert "never retrieved" in caplog.text
    assert type(exc).__name__ in caplog.text


def test_a_task_of_ours_that_fails_on_a_name_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def fail() -> None:
        raise NAME

    async def main() -> int:
        await asyncio.wait([asyncio.create_task(fail())])
        gc.collect()
        return 0

    with caplog.at_level(logging.ERROR, "asyncio"):
        assert run(main()) == 0
    assert "Task exception was never retrieved" in caplog.text


def test_shared_work_may_fail_unread(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever waited has given up; a cancelled one has nothing to be read."""

    async def fail() -> None:
        raise ValueError("of nobody")

    async def main() -> int:
        shared, cancelled = asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(60))
        for each in (shared, cancelled):
            each.add_done_callback(read_failure)
        cancelled.cancel()
        await asyncio.wait([shared, cancelled])
        del shared, cancelled, each
        gc.collect()
        return 0

    with caplog.at_level(logging.ERROR, "asyncio"):
        assert run(main()) == 0
    assert caplog.text == ""
