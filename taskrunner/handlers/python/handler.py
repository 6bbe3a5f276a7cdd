"""PythonHandler runs one attempt as a function, and turns what it returns or raises into an outcome."""

import asyncio
import concurrent.futures
import logging
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, NoReturn

from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.task_log import TASK_LOGGER
from taskrunner.domain.tasks.unserved import UNSERVED_PAUSE, unserved
from taskrunner.handlers.base import AttemptContext, Handler
from taskrunner.handlers.python.attempt_watch import AttemptStopped
from taskrunner.handlers.python.definition import HandlerDefinition
from taskrunner.handlers.python.endings import Cancel, Ending, Fail, Snooze, checked_delay
from taskrunner.handlers.python.handler_schema import DataUnfit
from taskrunner.handlers.python.middleware import Middleware
from taskrunner.handlers.python.result import outcome_of
from taskrunner.handlers.python.runtime import OPEN_AGAIN, PythonRuntime
from taskrunner.handlers.python.task import Task

_log = logging.getLogger(TASK_LOGGER)
# A coroutine that is cancelled at its deadline gets this long to end; less than an overdue worker gets.
_GRACE = 1.0
# The text for an exception that raises another one when it is read.
UNREADABLE = (
    "The handler raised an exception that cannot be read: have its class call super().__init__(), and leave "
    "error and delay as they are."
)
# How the errors of `Cancel` and `Snooze` begin; then comes the reason.
CANCELLED_THE_TASK = "The handler cancelled the task"
_CANCELLED = Outcome(kind=OutcomeKind.CANCELLED, error="The attempt was cancelled while it ran.")


class PythonHandler(Handler):
    """Keeps nothing between attempts: what is costly is in the `runtime` of the process."""

    def __init__(self, runtime: PythonRuntime) -> None:
        self._runtime = runtime
        self._pid = os.getpid()

    def run(self, context: AttemptContext) -> Outcome:
        ends = time.monotonic() + context.task.timeout
        executor = context.task.executor
        found = self._runtime.handlers.get(executor or "")
        if found is None:
            return _later(f"Waits for {unserved(executor)}.", UNSERVED_PAUSE)
        trouble = self._runtime.open_dependencies(context.task.timeout)
        if trouble is not None:
            return _later(trouble, OPEN_AGAIN)
        definition, middleware = found
        run = self._run_async if definition.is_async else self._run_sync
        data = context.task.content or b"null"
        try:
            return run(definition, middleware, context, data, ends)
        except BaseException as exc:  # noqa: BLE001 - the boundary: a worker's thread must survive everything
            return self._outcome_of_error(exc, context, data, ends)

    def close(self) -> None:
        """Nothing is kept."""

    def _run_sync(
        self,
        definition: HandlerDefinition,
        middleware: Sequence[Middleware],
        context: AttemptContext,
        data: bytes,
        ends: float,
    ) -> Outcome:
        def attempt() -> Outcome:
            task: Task[Any] = Task(definition.handler_schema.read(data), context, ends=ends)
            result, error = None, None
            try:
                for each in middleware:
                    each.before(task)
                result = definition.function(task)
            except BaseException as exc:
                error = exc
                raise
            finally:
                if os.getpid() != self._pid:
                    _end_fork(error)
                if middleware:
                    self._after(middleware, task, result, error)
            return self._outcome_of_result(result)

        return self._runtime.watch.call(attempt, context, ends)

    def _run_async(
        self,
        definition: HandlerDefinition,
        middleware: Sequence[Middleware],
        context: AttemptContext,
        data: bytes,
        ends: float,
    ) -> Outcome:
        task: Task[Any] = Task(definition.handler_schema.read(data), context, ends=ends)
        attempt = self._await(definition, middleware, context, task, ends)
        running = self._runtime.loop.submit(attempt)
        try:
            result, error = running.result(max(0.0, ends - time.monotonic()) + _GRACE)
        except concurrent.futures.TimeoutError:
            if self._runtime.renew_blocked_loop():
                _log.error(
                    "%s %s#%d blocks the loop of the async handlers, which is replaced: use a function "
                    "without async for what blocks",
                    definition.name,
                    task.id,
                    task.attempt,
                )
            return _timed_out(context)
        if error is not None:
            return self._outcome_of_error(error, context, data, ends)
        return self._outcome_of_result(result)

    async def _await(
        self,
        definition: HandlerDefinition,
        middleware: Sequence[Middleware],
        context: AttemptContext,
        task: Task[Any],
        ends: float,
    ) -> tuple[object, BaseException | None]:
        """Result or exception: asyncio would let some exceptions end the loop."""
        function: Any = definition.function
        loop, running = asyncio.get_running_loop(), asyncio.current_task()
        assert running is not None  # noqa: S101 - we are in it
        leave = self._runtime.watch.watch(context, ends, lambda: _cancel(loop, running))
        result, error = None, None
        try:
            for each in middleware:
                each.before(task)
            result = await function(task)
        except BaseException as exc:  # noqa: BLE001 - the boundary, see above
            error = exc
        finally:
            leave()
            if os.getpid() != self._pid:
                _end_fork(error)
        self._after(middleware, task, result, error)
        return result, error

    def _after(
        self, middleware: Sequence[Middleware], task: Task[Any], result: object, error: BaseException | None
    ) -> None:
        for each in reversed(middleware):
            try:
                each.after(task, result, error)
            except Exception as exc:  # noqa: BLE001 - the handler has done its work, whatever a hook says
                task.log.warning("%s.after: %s", type(each).__name__, self._runtime.text.trace(exc, b""))

    def _outcome_of_result(self, result: object) -> Outcome:
        if isinstance(result, Ending):
            raise result
        return outcome_of(result, max_bytes=self._runtime.max_result_bytes)

    def _outcome_of_error(
        self, exc: BaseException, context: AttemptContext, data: bytes, ends: float
    ) -> Outcome:
        """Reads what the user's class of exception holds, which may be anything and raise anything."""
        try:
            return self._told(exc, context, data, ends)
        except BaseException as inner:  # noqa: BLE001 - as in `run`
            _log.error(
                "%s %s#%d: cannot read the exception: %s",
                context.task.executor,
                context.task.id,
                context.number,
                type(inner).__name__,
            )
            return Outcome(kind=OutcomeKind.HANDLER_ERROR, error=UNREADABLE)

    def _told(self, exc: BaseException, context: AttemptContext, data: bytes, ends: float) -> Outcome:
        if isinstance(exc, AttemptStopped):
            return _timed_out(context)
        if isinstance(exc, asyncio.CancelledError) and (context.cancelled or time.monotonic() >= ends):
            return _CANCELLED if context.cancelled else _timed_out(context)
        if isinstance(exc, DataUnfit):
            error = self._runtime.text.reason(str(exc), data)
            return Outcome(kind=OutcomeKind.HANDLER_ERROR, retryable=False, error=error)
        if isinstance(exc, Ending):
            reason = None if exc.error is None else self._runtime.text.reason(exc.error, data)
            return _outcome_of_ending(exc, reason)
        trace = self._runtime.text.trace(exc, data)
        _log.warning("%s %s#%d: %s", context.task.executor, context.task.id, context.number, trace)
        return Outcome(kind=OutcomeKind.HANDLER_ERROR, error=self._runtime.text.error(exc, data))


def _outcome_of_ending(ending: Ending, reason: str | None) -> Outcome:
    delay = checked_delay(ending.delay)
    match ending:
        case Fail():
            error = reason or "The handler failed the task."
            return Outcome(kind=OutcomeKind.HANDLER_ERROR, retryable=False, error=error)
        case Snooze() if delay is not None:
            error = f"{put_off(delay)}{_because(reason)}"
            return Outcome(kind=OutcomeKind.SNOOZED, counted=False, due_in=delay, error=error)
        case Cancel():
            error = f"{CANCELLED_THE_TASK}{_because(reason)}"
            return Outcome(kind=OutcomeKind.CANCELLED, error=error)
        case _:
            error = reason or "The handler asked for another attempt."
            return Outcome(kind=OutcomeKind.HANDLER_ERROR, due_in=delay, error=error)


def put_off(delay: float) -> str:
    """See `CANCELLED_THE_TASK`."""
    return f"The handler put the task off for {delay:.15g} s"


def _cancel(loop: asyncio.AbstractEventLoop, running: "asyncio.Task[Any]") -> None:
    loop.call_soon_threadsafe(running.cancel)


def _because(reason: str | None) -> str:
    return "." if reason is None else f": {reason}"


def _timed_out(context: AttemptContext) -> Outcome:
    error = f"The handler did not end within its timeout of {context.task.timeout:.3g} s."
    return Outcome(kind=OutcomeKind.TIMEOUT, error=error)


def _later(error: str, seconds: float) -> Outcome:
    return Outcome(kind=OutcomeKind.INTERRUPTED, counted=False, due_in=seconds, error=error)


def _end_fork(error: BaseException | None) -> NoReturn:
    """A fork of the worker process has only this thread, and must not answer in its parent's name."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    code = error.code if isinstance(error, SystemExit) else int(error is not None)
    os._exit(code if isinstance(code, int) else int(code is not None))
