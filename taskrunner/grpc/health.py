"""The health service: https://github.com/grpc/grpc/blob/master/doc/health-checking.md

Every service has the state of the process on `/readyz`. Anybody may ask.
"""

import asyncio
from collections.abc import Collection

import grpc
from google.protobuf.message import Message
from grpc.aio import ServicerContext
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from taskrunner.monitor.health import Health

Context = ServicerContext[HealthCheckRequest, HealthCheckResponse]
# Seconds between two checks for watchers.
_LOOK = 1.0


class HealthService(health_pb2_grpc.HealthServicer):
    """`services` are the names that clients may ask for, in addition to the empty name of the server.

    Not the servicer of grpcio-health-checking: there, a watcher that does not read keeps all others waiting.
    """

    def __init__(self, health: Health, services: Collection[str]) -> None:
        self._health = health
        self._services = {"", *services}
        self._stopping = False

    def stop(self) -> None:
        """Answer from now on that nothing is served."""
        self._stopping = True

    async def Check(self, request: HealthCheckRequest, context: Context) -> HealthCheckResponse:  # noqa: N802 - the name of the method
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"no service {request.service!r} is served here")
        return HealthCheckResponse(status=self._status(request.service))

    async def List(self, request: object, context: object) -> Message:  # noqa: N802 - the name of the method
        found = {name: HealthCheckResponse(status=self._status(name)) for name in self._services}
        answer: Message = health_pb2.HealthListResponse(statuses=found)  # type: ignore[attr-defined]  # newer than its types
        return answer

    async def Watch(self, request: HealthCheckRequest, context: Context) -> None:  # noqa: N802 - the name of the method
        told: int | None = None
        while not self._stopping:
            status = self._status(request.service)
            if status != told:
                await context.write(HealthCheckResponse(status=status))
                told = status
            await asyncio.sleep(_LOOK)

    def _status(self, service: str) -> int:
        if service not in self._services:
            return HealthCheckResponse.SERVICE_UNKNOWN
        is_ready = self._health.readiness().ready and not self._stopping
        return HealthCheckResponse.SERVING if is_ready else HealthCheckResponse.NOT_SERVING
