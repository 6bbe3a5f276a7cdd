"""Attempts: the leased attempts that run here, each in a thread, and their heartbeats.

A thread cannot be killed. One that is stuck in C beyond the deadline of its attempt is written off: the
attempt ends as timed out, and the thread ends with the process.
"""

import asyncio
import logging
import time
from dataclasses import dataclass
from functools import partial

import grpc

from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.progress import Progress
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.python.handler import PythonHandler
from taskrunner.sdk.remote.connection import Connection, told
from taskrunner.sdk.remote.ends import Ends
from taskrunner.sdk.remote.messages import given_back, task_of, update_of
from taskrunner.sdk.remote.slots import Slots
from taskrunner.sdk.remote.threads import Threads
from taskrunner.v1 import task_executor_pb2 as pb

_log = logging.getLogger(__name__)
# Seconds. How often new progress is sent; how long after its deadline a thread is written off.
_PROGRESS_INTERVAL, _OVERDUE = 1.0, 2.0
# Of one call.
_MOST_BEATS = 500
# The states of a lease that tell its attempt to stop.
_OVER = (pb.LEASE_STATE_CANCELLED, pb.LEASE_STATE_LOST, pb.LEASE_STATE_ENDED)


@dataclass(slots=True, eq=False)
class _Running:
    leased: pb.LeasedTask
    context: AttemptContext
    beat_at: float
    told: Progress | None = None
    is_given_back: bool = False


class Attempts:
    """`beat_every` is how often the server wants to hear of each, in seconds; set before the first."""

    def __init__(self, handler: PythonHandler, ends: Ends, connection: Connection) -> None:
        self.beat_every = _PROGRESS_INTERVAL
        self._handler = handler
        self._ends = ends
        self._connection = connection
        self._threads: Threads[Outcome] = Threads()
        self._running: dict[asyncio.Task[None], _Running] = {}

    def start(self, leased: pb.LeasedTask, executor: str, slots: Slots) -> None:
        """Run an attempt. Its slot is given back when its thread has ended or is written off."""
        context = AttemptContext(task_of(leased, executor), leased.attempt)
        running = _Running(leased, context, time.monotonic())
        task = asyncio.create_task(self._run(running))
        self._running[task] = running
        task.add_done_callback(self._running.pop)
        task.add_done_callback(lambda _: slots.give())

    async def all_ended(self) -> None:
        while self._running:
            await asyncio.wait([*self._running])

    async def give_back_all(self, within: float) -> None:
        """Tell all handlers to stop, and give their tasks back to run elsewhere; these attempts do not count.

        Results of these handlers are dropped. Handlers that stop get `within` seconds to do so, so that no
        task runs in two places.
        """
        left = [*self._running.values()]
        for each in left:
            each.is_given_back = each.context.cancelled = True
        if left:
            _log.warning("%d tasks still run, and are given back", len(left))
            await asyncio.wait([*self._running], timeout=within)
        for each in left:
            self._ends.add(given_back(each.leased))

    async def close(self) -> None:
        """Stop waiting for threads."""
        for task in [*self._running]:
            task.cancel()
        await self.all_ended()
        self._threads.close()

    async def _run(self, running: _Running) -> None:
        timeout = running.context.task.timeout
        try:
            async with asyncio.timeout(timeout + _OVERDUE):
                outcome = await self._threads.run(partial(self._handler.run, running.context))
        except TimeoutError:
            error = f"The handler did not end within its timeout of {timeout:.3g} s, and cannot be ended."
            outcome = Outcome(kind=OutcomeKind.TIMEOUT, error=error)
        if not running.is_given_back:
            self._ends.add(update_of(running.leased, outcome))

    async def keep_leases(self) -> None:
        """Send heartbeats, until it is cancelled."""
        while True:
            await asyncio.sleep(min(_PROGRESS_INTERVAL, self.beat_every))
            now = time.monotonic()
            due = [
                each
                for each in self._running.values()
                if now - each.beat_at >= self.beat_every or each.context.progress is not each.told
            ]
            for start in range(0, len(due), _MOST_BEATS):
                await self._beat(due[start : start + _MOST_BEATS], now)

    async def _beat(self, beats: list[_Running], now: float) -> None:
        request, progress = pb.HeartbeatRequest(), [each.context.progress for each in beats]
        for each, found in zip(beats, progress, strict=True):
            beat = request.leases.add(id=each.leased.id, token=each.leased.token)
            if found is not None:
                beat.progress.fraction, beat.progress.message = found.fraction, found.message
        try:
            answer = await self._connection.call("Heartbeat", request, timeout=self.beat_every)
        except grpc.aio.AioRpcError as exc:
            # The next one comes in a second.
            _log.warning("no heartbeat: %s", told(exc))
            return
        for each, found, state in zip(beats, progress, answer.leases, strict=True):
            each.beat_at, each.told = now, found
            # An attempt that has timed out is ended, and reported, by its own deadline.
            if state.state in _OVER:
                each.context.cancelled = True
