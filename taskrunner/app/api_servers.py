"""The servers of a process: the HTTP API and, unless it is turned off, the gRPC API."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from aiohttp import web

from taskrunner.api.app import LIVE_REQUESTS
from taskrunner.api.auth.access import Admission
from taskrunner.api.http.server import WebServer
from taskrunner.api.http.settings import ApiSettings, ServerSettings
from taskrunner.app.monitor import Monitor
from taskrunner.app.platform import Platform
from taskrunner.app.remote import Remote
from taskrunner.config import Config
from taskrunner.grpc.settings import GrpcSettings
from taskrunner.producer.task_feed import TaskFeed

if TYPE_CHECKING:
    from taskrunner.grpc.server import GrpcServer


class ApiServers:
    """The servers while they listen."""

    def __init__(self, http: WebServer, grpc: "GrpcServer | None", remote: Remote) -> None:
        self._http = http
        self._grpc = grpc
        self._remote = remote

    @property
    def port(self) -> int:
        """Of the HTTP API."""
        return self._http.port

    @property
    def grpc_port(self) -> int | None:
        """None if it is turned off."""
        return None if self._grpc is None else self._grpc.port

    async def stop(self) -> None:
        """Let calls under way end within the grace time. Safe to call twice."""
        self._remote.work.close()
        # The first ends what waits for something to happen, on both.
        await asyncio.gather(self._http.stop(), *([self._grpc.stop()] if self._grpc else []))


@asynccontextmanager
async def grpc_running(
    platform: Platform,
    monitor: Monitor,
    api: web.Application,
    feed: TaskFeed,
    remote: Remote,
    options: ApiSettings,
) -> AsyncIterator["GrpcServer | None"]:
    """Serve gRPC inside, unless it is turned off."""
    if not platform.config.grpc.enabled:
        yield None
        return
    server = _make_server(platform, monitor, api, feed, remote, options)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def _make_server(
    platform: Platform,
    monitor: Monitor,
    api: web.Application,
    feed: TaskFeed,
    remote: Remote,
    options: ApiSettings,
) -> "GrpcServer":
    # It writes lines of its own to stderr, one for each client that it does not understand.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    # gRPC takes 0.1 s and 14 MB, which only this costs.
    from taskrunner.grpc.boundary import Boundary
    from taskrunner.grpc.executor_methods import ExecutorMethods
    from taskrunner.grpc.server import GrpcServer
    from taskrunner.grpc.task_methods import TaskMethods
    from taskrunner.grpc.worker_methods import WorkerMethods
    from taskrunner.v1.task_executor_pb2 import DESCRIPTOR

    config, services = platform.config, DESCRIPTOR.services_by_name
    tasks = TaskMethods(
        platform.intake,
        platform.cancellation,
        feed,
        api[LIVE_REQUESTS],
        platform.store,
        platform.clock,
        options,
    )
    workers = WorkerMethods(
        remote.work,
        remote.attempts,
        platform.executor_admin,
        api[LIVE_REQUESTS],
        platform.store,
        options,
    )
    admission = Admission(
        platform.keys, config.access_settings(config.grpc.addr), platform.key_limiter, platform.quotas
    )
    return GrpcServer(
        {
            services["TaskExecutorManager"]: (tasks, ExecutorMethods(platform.executor_admin, options)),
            services["TaskExecutor"]: (workers,),
        },
        Boundary(admission, platform.audit, platform.events),
        monitor.health,
        config.grpc.addr,
        config.grpc.port,
        events=platform.events,
        options=_settings(config),
    )


def _settings(config: Config) -> GrpcSettings:
    """Those of `Grpc`, and those of `Api` that hold for both."""
    api = config.api
    return config.grpc.settings(
        GrpcSettings,
        max_message_bytes=api.max_request_bytes,
        max_calls=api.max_connections,
        max_connections=api.max_connections,
        handshake_timeout=api.request_timeout,
        shutdown_grace=api.shutdown_grace,
        certificate=api.settings(ServerSettings).certificate,
    )
