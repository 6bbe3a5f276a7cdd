"""What the Python handlers of one worker process share: their definitions, the loop, the dependencies."""

import asyncio
import concurrent.futures
import logging
import threading
import time

from taskrunner.handlers.python.attempt_watch import AttemptWatch
from taskrunner.handlers.python.exception_text import ExceptionText
from taskrunner.handlers.python.handler_loop import HandlerLoop
from taskrunner.handlers.python.registry import Registry

_log = logging.getLogger(__name__)
# Seconds: how long an attempt waits for the dependencies, how long one may take to open, and between tries.
OPEN_WAIT = 5.0
OPEN_PATIENCE = 60.0
OPEN_AGAIN = 5.0
# Less than a process gets to end.
_CLOSE_WAIT = 1.5
# A loop that takes no step for so long is blocked by a handler.
_LOOP_WAIT = 0.5


class PythonRuntime:
    """Made once per process, by `PythonHandlerFactory.start`."""

    def __init__(self, registry: Registry, *, max_result_bytes: int) -> None:
        self._registry = registry
        self.max_result_bytes = max_result_bytes
        self.handlers = {each.name: (each, registry.middleware_of(each)) for each in registry.definitions}
        self.watch = AttemptWatch()
        self.text = ExceptionText()
        self.loop = HandlerLoop()
        self._lock = threading.Lock()
        self._is_open = not registry.dependencies
        self._opening: concurrent.futures.Future[str] | None = None
        self._open_again = 0.0

    def start(self) -> None:
        self.watch.start()
        self.loop.start()

    def open_dependencies(self, within: float) -> str | None:
        """Open the dependencies that are not open yet; returns why the attempt cannot begin.

        Called before each attempt. Waiting attempts share one opening, which goes on when they give up.
        """
        if self._is_open:
            return None
        with self._lock:
            if self._opening is None or (self._opening.done() and time.monotonic() >= self._open_again):
                self._opening = self.loop.submit(self._open())
            opening = self._opening
        try:
            return opening.result(min(within, OPEN_WAIT)) or None
        except concurrent.futures.TimeoutError:
            return "The dependencies of the handlers are still being opened."

    def renew_blocked_loop(self) -> bool:
        """Make another loop if a handler blocks this one; what runs on the old loop may still end."""
        with self._lock:
            if self.loop.answers(_LOOP_WAIT):
                return False
            self.loop = HandlerLoop()
            self.loop.start()
            # What was opened on the old loop cannot be used on another.
            self._is_open, self._opening = not self._registry.dependencies, None
            for dependency in self._registry.dependencies:
                dependency.forget()
        return True

    def close(self) -> None:
        """In reverse order, since one may use an earlier one."""
        end = time.monotonic() + _CLOSE_WAIT
        for dependency in reversed(self._registry.dependencies):
            if not dependency.is_open:
                continue
            try:
                self.loop.submit(dependency.close()).result(max(0.1, end - time.monotonic()))
            except Exception as exc:  # noqa: BLE001 - the code is the user's, and the others are closed, too
                _log.warning("cannot close the dependency %s: %s", dependency.name, self.text.error(exc, b""))
        self.watch.close()
        self.loop.close(_CLOSE_WAIT)

    async def _open(self) -> str:
        for dependency in self._registry.dependencies:
            if dependency.is_open:
                continue
            try:
                async with asyncio.timeout(OPEN_PATIENCE):
                    await dependency.open()
            except BaseException as exc:  # noqa: BLE001 - the code is the user's
                self._open_again = time.monotonic() + OPEN_AGAIN
                _log.warning("cannot open the dependency %s: %s", dependency.name, self.text.trace(exc, b""))
                return (
                    f"The dependency {dependency.name} of the handlers cannot be opened: "
                    f"{self.text.error(exc, b'')}"
                )
        self._is_open = True
        return ""
