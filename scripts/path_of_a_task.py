"""The files of the package that a task passes, in order.

    python scripts/path_of_a_task.py      prints each list, with the functions called in each file

Everything runs in this process: on SQLite and the broker in memory or, under `scripts/services.py run`, on
Redis and RabbitMQ. A first task warms up, a second one is recorded. `docs/decisions/path-of-a-task.md` says
what is counted.
"""

import asyncio
import os
import sys
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import aiohttp
from aiohttp import web

from taskrunner.app.adapters import upgrade_store
from taskrunner.app.consumer_services import ConsumerServices
from taskrunner.app.embedded import embedded_config
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.serve import api_running
from taskrunner.domain.events import Event, TaskSettled
from taskrunner.domain.keys.api_key import Scope

_PACKAGE = f"{Path(__file__).resolve().parent.parent / 'taskrunner'}{os.sep}"
_PATIENCE = 60.0
_QUEUE = "queue:medium"
_FETCH = "HttpHandler.run"
_HANDLERS = "handlers/"
# Services that a task does not wait for.
_BESIDE = frozenset(
    {
        "affinity",
        "autoscaler",
        "broker refill",
        "cleaner",
        "executor watch",
        "handler registration",
        "host watch",
        "key watch",
        "lease keeper",
        "operation runner",
        "outage reminder",
        "pause watch",
        "process reporter",
        "queue watch",
        "relay",
        "remote work",
        "scheduler",
        "sessions",
        "storage quota",
        "task quota",
        "webhook watch",
    }
)
# Behind the seams of store and broker, the path has other files for each adapter.
_ADAPTERS = ("stores/", "brokers/")
# Used everywhere: a reader knows them after the first task.
_GENERIC = (
    "api/http/request_ids.py",
    "domain/clock.py",
    "domain/codec.py",
    "domain/events.py",
    "runtime/",
    "monitor/",
)


@dataclass(kw_only=True)
class Recorder:
    """The files from the call of `begin` to that of `end`, in the order of their first call."""

    title: str
    begin: str
    end: str
    # Folders that the path cannot lead to: their timers may run meanwhile.
    without: tuple[str, ...] = ()
    files: dict[str, dict[str, None]] = field(default_factory=dict)
    _begun: bool = False
    _ended: bool = False

    def see(self, file: str, function: str) -> None:
        self._begun = self._begun or function == self.begin
        if self._begun and not self._ended and not file.startswith(self.without):
            self.files.setdefault(file, {})[function] = None
            self._ended = function == self.end

    @property
    def own(self) -> list[str]:
        """The files that are neither an adapter's nor generic."""
        return [file for file in self.files if not file.startswith((*_ADAPTERS, *_GENERIC))]


@dataclass(kw_only=True)
class Paths:
    """What was recorded; `delivery` is without the `fetch` in its middle."""

    post: Recorder
    delivery: Recorder
    fetch: Recorder


class Profiler:
    """Profiles every thread; `recorders` see the calls of the package's functions.

    While a thread fetches, only `fetch` sees its calls.
    """

    def __init__(self) -> None:
        self.recorder: Recorder | None = None
        self.fetch: Recorder | None = None
        self._fetching: set[int] = set()
        self._loop_thread = threading.get_ident()

    def __call__(self, frame: FrameType, event: str, _argument: Any) -> None:
        code = frame.f_code
        if event not in {"call", "return"} or not code.co_filename.startswith(_PACKAGE):
            return
        file, function, thread = (
            code.co_filename.removeprefix(_PACKAGE),
            code.co_qualname,
            threading.get_ident(),
        )
        if event == "return":
            if function == _FETCH:
                self._fetching.discard(thread)
            return
        if function == _FETCH:
            self._fetching.add(thread)
        # The loop looks after an attempt that takes long, which belongs to the fetch, too.
        is_fetch = thread in self._fetching or file.startswith(_HANDLERS)
        recorder = self.fetch if is_fetch else self.recorder
        if recorder is not None and not (thread == self._loop_thread and _is_beside()):
            recorder.see(file, function)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Enter it before threads start: only those are profiled."""
        threading.setprofile(self)
        sys.setprofile(self)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)


def _is_beside() -> bool:
    task = asyncio.current_task()
    return task is not None and task.get_name() in _BESIDE


async def measure() -> Paths:
    """Record the path of one task."""
    profiler, settled = Profiler(), asyncio.Queue[Event]()
    with tempfile.TemporaryDirectory() as folder, profiler.running():
        async with AsyncExitStack() as stack:
            enter = stack.enter_async_context
            port = await enter(_target_running())
            platform = await _make_platform(Path(folder), port)
            platform.events.subscribe(settled.put_nowait, (TaskSettled,))
            server = await enter(api_running(platform, Monitor(platform, consuming=True, providers={})))
            await enter(platform.running(need_store=True))
            await platform.keys.turn()
            await platform.webhooks.turn()
            await enter(ConsumerServices(platform, in_processes=False).running(asyncio.Event()))
            session = await enter(aiohttp.ClientSession(f"http://127.0.0.1:{server.port}"))

            made = await platform.key_admin.create("path", (Scope.SUBMIT,), owner=None, expires_at=None)
            headers = {"Authorization": f"Bearer {made.secret}"}

            async def submit() -> None:
                task = {"url": f"http://127.0.0.1:{port}/"}
                async with session.post("/tasks", json=task, headers=headers) as answer:
                    if answer.status != 202:
                        raise RuntimeError(await answer.text())

            await submit()
            await asyncio.wait_for(settled.get(), _PATIENCE)
            # A paused queue keeps the second task apart from its delivery.
            await platform.store.pause(_QUEUE, now=platform.clock.now())
            await platform.pauses.turn()
            paths = _new_paths(type(platform.broker).__name__)
            await platform.publisher.drain()
            profiler.recorder, profiler.fetch = paths.post, paths.fetch
            await submit()
            profiler.recorder = None
            await platform.publisher.drain()
            await platform.store.resume(_QUEUE)
            profiler.recorder = paths.delivery
            await platform.pauses.turn()
            await asyncio.wait_for(settled.get(), _PATIENCE)
            profiler.recorder = profiler.fetch = None
    return paths


def _new_paths(broker: str) -> Paths:
    return Paths(
        post=Recorder(title="POST to answer", begin="ConnectionServer._begin", end="TaskView.of_accepted"),
        delivery=Recorder(
            title="Delivery to acknowledgement",
            begin="Consumer._on_delivery",
            end=f"{broker}.ack",
            without=("api/",),
        ),
        fetch=Recorder(title="The fetch in between", begin=_FETCH, end="never"),
    )


async def _make_platform(folder: Path, port: int) -> Platform:
    settings: dict[str, object] = {
        "Api.port": 0,
        "Grpc.enabled": False,
        "Fetch.allow_private": ["127.0.0.1"],
        "Fetch.ports": [port],
        "Logger.level": "warning",
    }
    if "TASKRUNNER_TEST_REDIS_URL" in os.environ:
        settings["Rabbit.addr"] = os.environ["TASKRUNNER_TEST_RABBITMQ_URL"]
        settings["Store.url"] = os.environ["TASKRUNNER_TEST_REDIS_URL"]
    config = embedded_config(folder, settings=settings, environ={})
    await upgrade_store(config)
    return Platform(config)


@asynccontextmanager
async def _target_running() -> AsyncIterator[int]:
    """A server answers 200 inside; yields its port."""

    async def answer(_request: web.BaseRequest) -> web.Response:
        return web.Response(text="fine")

    runner = web.ServerRunner(web.Server(answer))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def main() -> None:
    paths = asyncio.run(measure())
    for recorder in (paths.post, paths.delivery, paths.fetch):
        own = recorder.own
        print(f"{recorder.title}: {len(own)} files, {len(recorder.files)} with adapters and generic ones")
        for file, functions in recorder.files.items():
            print(f"  {' ' if file in own else '-'} {file}: {', '.join(functions)}")


if __name__ == "__main__":
    main()
