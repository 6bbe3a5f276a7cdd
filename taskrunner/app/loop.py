"""How every command runs its coroutine."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop

from taskrunner.runtime.garbage_collection import collect_less_often
from taskrunner.runtime.unread import report_unless_given_up


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine to its end; returns its exit code."""
    collect_less_often()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop().set_exception_handler(report_unless_given_up)
        return runner.run(main)
