"""What tests of the gRPC API hold on to: a server on the parts of the HTTP API, and a client of it."""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status

from taskrunner.api.auth.access import Admission
from taskrunner.api.auth.access_settings import AccessSettings
from taskrunner.api.http.settings import ApiSettings
from taskrunner.domain.events import Events
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.task_settings import TaskSettingsSource
from taskrunner.domain.webhooks.webhook import WebhookSource
from taskrunner.grpc.boundary import Boundary
from taskrunner.grpc.errors import DETAILS
from taskrunner.grpc.executor_methods import ExecutorMethods
from taskrunner.grpc.server import GrpcServer
from taskrunner.grpc.settings import GrpcSettings
from taskrunner.grpc.task_methods import TaskMethods
from taskrunner.grpc.worker_methods import WorkerMethods
from taskrunner.producer.audit_trail import AuditTrail
from taskrunner.producer.cancellation import Cancellation
from taskrunner.producer.executor_admin import ExecutorAdmin
from taskrunner.producer.key_limiter import KeyLimiter
from taskrunner.producer.key_quotas import KeyQuotas
from taskrunner.producer.search import Search
from taskrunner.v1 import task_executor_pb2 as pb
from taskrunner.v1.task_executor_pb2_grpc import TaskExecutorManagerStub, TaskExecutorStub
from tests.flow.api.harness import Api
from tests.tools.executors import at_once

MANAGER = pb.DESCRIPTOR.services_by_name["TaskExecutorManager"]
WORKER = pb.DESCRIPTOR.services_by_name["TaskExecutor"]
URL = "http://example.com/"


@dataclass
class GrpcApi:
    """A running server, and a channel to it."""

    api: Api
    server: GrpcServer
    channel: grpc.aio.Channel

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server.port}"

    @property
    def manager(self) -> Any:
        """The client of TaskExecutorManager."""
        return TaskExecutorManagerStub(self.channel)

    @property
    def worker(self) -> Any:
        """The client of TaskExecutor."""
        return TaskExecutorStub(self.channel)

    async def add(self, key: str | None = None, **task: Any) -> pb.AddTaskResponse:
        """Submit a task, with an API key."""
        request = pb.AddTaskRequest(task=pb.NewTask(**{"url": URL, **task}))
        answer: pb.AddTaskResponse = await self.manager.AddTask(request, metadata=bearer(key))
        return answer


@dataclass
class Refusal:
    """How a call ended that was refused."""

    code: grpc.StatusCode
    message: str
    reason: str = ""
    violations: dict[str, str] = field(default_factory=dict)
    retry_after: float | None = None


def bearer(key: str | None) -> Sequence[tuple[str, str]]:
    """The metadata of a call with this key."""
    return () if key is None else (("authorization", f"Bearer {key}"),)


async def rest_of(call: Any) -> list[Any]:
    """What comes on a stream until its end."""
    found = []
    while (each := await call.read()) is not grpc.aio.EOF:
        found.append(each)
    return found


async def refused(call: Awaitable[Any]) -> Refusal:
    """Await a call that must fail, and read why."""
    try:
        answer = await call
    except grpc.aio.AioRpcError as exc:
        return _read(exc)
    raise AssertionError(f"the call was answered: {answer}")


def _read(exc: grpc.aio.AioRpcError) -> Refusal:
    refusal = Refusal(exc.code(), exc.details() or "")
    for name, value in exc.trailing_metadata() or ():
        if name != DETAILS:
            continue
        status = Status.FromString(value)
        assert (status.code, status.message) == (exc.code().value[0], exc.details())
        for detail in status.details:
            if detail.Is(ErrorInfo.DESCRIPTOR):
                info = ErrorInfo.FromString(detail.value)
                assert info.domain == "taskrunner"
                refusal.reason = info.reason
            elif detail.Is(BadRequest.DESCRIPTOR):
                found = BadRequest.FromString(detail.value).field_violations
                refusal.violations = {each.field: each.description for each in found}
            elif detail.Is(RetryInfo.DESCRIPTOR):
                refusal.retry_after = RetryInfo.FromString(detail.value).retry_delay.ToSeconds()
    return refusal


@asynccontextmanager
async def serving(
    api: Api, access: AccessSettings, options: GrpcSettings, *, port: int = 0
) -> AsyncIterator[GrpcServer]:
    """A server on the parts of `api` runs inside."""
    events = Events()
    events.subscribe(api.events.append)
    cancellation = Cancellation(api.store, events, api.clock, RetentionSettings(), WebhookSource(()))
    settings = TaskSettingsSource(api.intake.task_settings)
    admin = ExecutorAdmin(
        api.store, Search(api.store), cancellation, api.clock, settings, api.executors, at_once
    )
    tasks = TaskMethods(
        api.intake,
        cancellation,
        api.feed,
        api.live,
        api.store,
        api.clock,
        ApiSettings(),
    )
    boundary = Boundary(
        Admission(api.keys, access, KeyLimiter(api.store, api.clock), KeyQuotas(api.quota, api.storage)),
        AuditTrail(api.store, events, api.clock),
        events,
    )
    methods = (tasks, ExecutorMethods(admin, ApiSettings()))
    workers = WorkerMethods(api.work, api.attempts, admin, api.live, api.store, ApiSettings())
    server = GrpcServer(
        {MANAGER: methods, WORKER: (workers,)},
        boundary,
        api.health,
        "127.0.0.1",
        port,
        events=events,
        options=options,
    )
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
