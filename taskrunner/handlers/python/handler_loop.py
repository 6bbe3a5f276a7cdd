"""HandlerLoop: the event loop of a worker process, in a thread of its own, for every `async def` handler."""

import asyncio
import concurrent.futures
import logging
import signal
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")
_log = logging.getLogger(__name__)


class HandlerLoop:
    """Runs until it is closed, or the process ends."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="handler-loop", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, Result]) -> "concurrent.futures.Future[Result]":
        """Run a coroutine; called in any other thread."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def answers(self, within: float) -> bool:
        """Whether the loop still makes steps: a handler that blocks it holds up all others."""
        answered = threading.Event()
        self._loop.call_soon_threadsafe(answered.set)
        return answered.wait(within)

    def close(self, within: float) -> None:
        """Leave running coroutines alone: they end with the process."""
        self._closed = True
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(within)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        # As in `PythonHandlerFactory.make_handler`.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM})
        while not self._closed:
            try:
                self._loop.run_forever()
            except (SystemExit, KeyboardInterrupt) as exc:
                # asyncio lets these two out of a task, beside storing them in it; here they end nothing.
                _log.warning("a task on the loop of the handlers raised %s", type(exc).__name__)
