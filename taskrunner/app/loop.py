"""Runs a command's coroutine on the event loop that all commands share."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import uvloop

from taskrunner.runtime.garbage import collect_seldom


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine to its end; answers its exit code."""
    collect_seldom()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
