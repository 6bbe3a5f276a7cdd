"""RemoteWorker runs the handlers of this process for tasks of remote executors, which it leases over gRPC."""

import asyncio
import logging
import os
import re
import signal
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from typing import Any, Unpack

import grpc

from taskrunner.domain.errors import HandlersInvalid, SetupError
from taskrunner.domain.executors.remote_lease import check_worker_name
from taskrunner.handlers.python.definition import Handler
from taskrunner.handlers.python.findings import findings_of
from taskrunner.handlers.python.handler import PythonHandler
from taskrunner.handlers.python.handler_schema import Schema
from taskrunner.handlers.python.registry import REGISTRY
from taskrunner.handlers.python.runtime import PythonRuntime
from taskrunner.runtime.backoff import Backoff
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.sdk.registration import Options, add, place_of_caller
from taskrunner.sdk.remote.attempts import Attempts
from taskrunner.sdk.remote.connection import FIRST_PAUSE, LONGEST_PAUSE, Connection, Tls, told
from taskrunner.sdk.remote.ends import Ends
from taskrunner.sdk.remote.messages import duration, seconds
from taskrunner.sdk.remote.slots import Slots
from taskrunner.v1 import task_executor_pb2 as pb

_log = logging.getLogger(__name__)
# Seconds. A poll may take a little longer than the server waits. Handlers that are told to stop get a moment,
# and then the server a moment to hear of the last ends.
_LONGEST_POLL, _POLL_MARGIN, _LAST_MOMENT, _LAST_CALL = 30.0, 10.0, 1.0, 5.0
# When an answer without tasks comes sooner than this, the server did not wait for tasks.
_SHORT_POLL = 1.0
# How long a busy worker waits for more free slots: batches cost a server much less than single tasks.
_GATHER = 0.005
# A result, as JSON; a server takes messages of 512 KiB unless it is told otherwise.
MAX_RESULT_BYTES = 400 * 1024


class WorkerRefused(SetupError):
    """The server refuses this worker: the key, the executor or the name is wrong."""


class RemoteWorker:
    """Serves every handler that was registered in this process, as `@handler` or by `register`.

    `concurrency` tasks of each handler run at a time, each in a thread; `async def` functions run on one
    loop. When it stops, running tasks have `grace` seconds; the others are given back, and do not count.
    `key` is an API key with the scopes `operate` and `read:all`. Without `tls`, nothing is encrypted.
    """

    def __init__(
        self,
        address: str,
        *,
        key: str | None = None,
        name: str | None = None,
        concurrency: int = 10,
        tls: Tls | None = None,
        grace: float = 20.0,
        max_result_bytes: int = MAX_RESULT_BYTES,
    ) -> None:
        try:
            self.name = _default_name() if name is None else check_worker_name(name)
        except ValueError as exc:
            raise ValueError(f"name {exc}") from exc
        if concurrency < 1:
            raise ValueError(f"concurrency must be at least 1, got {concurrency!r}")
        self._connection = Connection(address, key, tls)
        self._concurrency = concurrency
        self._grace = grace
        self._max_result_bytes = max_result_bytes
        self._stopping, self._grace_over = asyncio.Event(), asyncio.Event()

    def register(
        self,
        name: str,
        handler: Callable[..., object] | Handler[Any],
        *,
        schema: Schema = None,
        **options: Unpack[Options],
    ) -> None:
        """Make a function, sync or async, or an instance of a `Handler` class the handler of an executor.

        `schema` makes objects of the data, as that of `@handler`. How tasks are treated is up to their
        executor.
        """
        function, schema = getattr(handler, "run", handler), getattr(handler, "schema", schema)
        add(name, function, schema, place_of_caller(), options)

    def run(self) -> None:
        """Work until SIGTERM or SIGINT; a second one ends the grace time.

        Raises `HandlersInvalid`, and `WorkerRefused` if the server does not take this worker at the start.
        Called in the main thread.
        """
        asyncio.run(self._run())

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """End gracefully; called on the loop of `serve`, and a second time to end at once."""
        if self._stopping.is_set():
            self._grace_over.set()
        self._stopping.set()

    async def serve(self) -> None:
        """Work until `stop`, on the running loop; see `run`."""
        names = _names()
        runtime = PythonRuntime(REGISTRY, max_result_bytes=self._max_result_bytes)
        runtime.start()
        self._connection.open()
        ends = Ends(self._connection)
        attempts = Attempts(PythonHandler(runtime), ends, self._connection)
        try:
            async with _running(ends.run(), attempts.keep_leases()) as background:
                async with _running(self._lease_all(names, attempts)) as leasing:
                    await _first_of(self._stopping.wait(), *leasing, *map(asyncio.shield, background))
                for each in (*leasing, *background):
                    if each.done() and not each.cancelled():
                        each.result()
                await _first_of(attempts.all_ended(), self._grace_over.wait(), within=self._grace)
                await attempts.give_back_all(_LAST_MOMENT)
                await _first_of(ends.all_told(), within=_LAST_CALL)
        finally:
            await attempts.close()
            await self._connection.close()
            await asyncio.to_thread(runtime.close)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(each, self.stop)
        await self.serve()

    async def _lease_all(self, names: Sequence[str], attempts: Attempts) -> None:
        """Never returns; raises `WorkerRefused`."""
        rules = [await self._register_at_server(each) for each in names]
        attempts.beat_every = min(seconds(each.heartbeat) for each in rules)
        _log.info("%s serves %s at %s", self.name, ", ".join(names), self._connection.address)
        async with asyncio.TaskGroup() as group:
            for name, rule in zip(names, rules, strict=True):
                group.create_task(self._lease(name, rule, attempts))

    async def _register_at_server(self, name: str) -> pb.RegisterWorkerResponse:
        request = pb.RegisterWorkerRequest(executor=name, worker=self.name)
        try:
            rules: pb.RegisterWorkerResponse = await self._connection.call_until_answered(
                "RegisterWorker", request
            )
        except grpc.aio.AioRpcError as exc:
            raise WorkerRefused(f"{self._connection.address}, executor {name}: {told(exc)}") from exc
        return rules

    async def _lease(self, name: str, rules: pb.RegisterWorkerResponse, attempts: Attempts) -> None:
        slots, backoff = Slots(self._concurrency), Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        wait = min(seconds(rules.max_wait), _LONGEST_POLL)
        while True:
            await slots.wait()
            if slots.free < self._concurrency // 2:
                await asyncio.sleep(_GATHER)
            most = min(slots.free, rules.max_tasks)
            request = pb.GetNextTasksRequest(
                executor=name, worker=self.name, max_tasks=most, wait=duration(wait)
            )
            asked = time.monotonic()
            try:
                answer = await self._connection.call("GetNextTasks", request, timeout=wait + _POLL_MARGIN)
            except grpc.aio.AioRpcError as exc:
                _log.warning("no tasks of %s, asking again: %s", name, told(exc))
                await asyncio.sleep(backoff.next())
                continue
            backoff.reset()
            if not answer.tasks and time.monotonic() - asked < _SHORT_POLL:
                # The server did not let us wait, since too many clients wait already.
                await asyncio.sleep(_SHORT_POLL)
            for leased in answer.tasks:
                slots.take()
                attempts.start(leased, name, slots)


def _names() -> list[str]:
    """The executors that are served. Raises `HandlersInvalid`."""
    if findings := findings_of(REGISTRY):
        raise HandlersInvalid.of(list(map(str, findings)))
    if not REGISTRY.definitions:
        raise HandlersInvalid.of(["no handler is registered: use @handler or RemoteWorker.register"])
    return [each.name for each in REGISTRY.definitions]


def _default_name() -> str:
    """Host and process, as far as a name of a worker can have them."""
    return re.sub(r"[^A-Za-z0-9._:@-]", "-", f"{socket.gethostname()[:50]}-{os.getpid()}")


@asynccontextmanager
async def _running(*coroutines: Coroutine[Any, Any, None]) -> AsyncIterator[list["asyncio.Task[None]"]]:
    """In the background, until the body has ended."""
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield tasks
    finally:
        await cancel_and_wait(*tasks)


async def _first_of(*waits: Awaitable[Any], within: float | None = None) -> None:
    """Until one of them has ended, or `within` seconds are over."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    await asyncio.wait(tasks, timeout=within, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
