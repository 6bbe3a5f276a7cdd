"""Runs a command's coroutine on the event loop that all commands share."""

import asyncio
import gc
from collections.abc import Coroutine
from typing import Any

import uvloop

# Tasks make much short-lived garbage and few cycles: the default threshold of 700 looks for them too often.
_GC_THRESHOLDS = (50_000, 20, 50)


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine to its end; answers its exit code."""
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)
