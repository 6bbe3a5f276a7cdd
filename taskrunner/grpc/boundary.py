"""The boundary of the services: each call is admitted, read, audited and answered here, or refused."""

import uuid
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeVar

import grpc
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from taskrunner.api.auth.access import Admission
from taskrunner.api.auth.audited import action_of, is_audited
from taskrunner.api.auth.rate_limits import limit_fields
from taskrunner.api.auth.scopes import ROUTES
from taskrunner.api.http.problems import Problem, internal_error, problem_of, refuse
from taskrunner.domain.errors import CallerError
from taskrunner.domain.events import Events
from taskrunner.domain.process_events import RequestDenied, RequestFailed
from taskrunner.grpc.call import Call, Context
from taskrunner.grpc.errors import DETAILS, code_of, status_of
from taskrunner.grpc.methods import METHODS, Route
from taskrunner.producer.audit_trail import AuditTrail, Change

Kind = TypeVar("Kind", bound=Message)
_DENIED = frozenset({401, 403, 429})


class Boundary:
    """Turns the methods of a service into handlers of a server."""

    def __init__(self, admission: Admission, trail: AuditTrail, events: Events) -> None:
        self._admission = admission
        self._trail = trail
        self._events = events

    def handlers(self, service: ServiceDescriptor, servicers: Sequence[object]) -> grpc.GenericRpcHandler:
        """The methods of the `servicers` have the names of the service's methods: `AddTask` is `add_task`.

        Each takes the request, or an iterator of requests, and the `Call`; it returns the answer, or yields
        answers. Raises KeyError for a method without a route in `methods.METHODS`.
        """
        made = {method.name: self._handler(method, servicers) for method in service.methods}
        return grpc.method_handlers_generic_handler(service.full_name, made)

    def _handler(
        self, method: MethodDescriptor, servicers: Sequence[object]
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        route, kind = METHODS[method.full_name], GetMessageClass(method.input_type)
        run = _method_of(servicers, method.name)
        path = f"/{method.containing_service.full_name}/{method.name}"
        if not method.server_streaming:

            async def answer(raw: bytes, context: Context) -> bytes:
                async def work(call: Call) -> bytes:
                    reply: Message = await run(read(kind, raw), call)
                    return reply.SerializeToString()

                answered: bytes = await self._guarded(context, route, path, work)
                return answered

            return grpc.unary_unary_rpc_method_handler(answer)

        async def stream(given: Any, context: Context) -> None:
            async def work(call: Call) -> None:
                request = _each(kind, given) if method.client_streaming else read(kind, given)
                async with aclosing(run(request, call)) as replies:
                    async for reply in replies:
                        await context.write(reply.SerializeToString())

            await self._guarded(context, route, path, work)

        if method.client_streaming:
            return grpc.stream_stream_rpc_method_handler(stream)
        return grpc.unary_stream_rpc_method_handler(stream)

    async def _guarded(
        self, context: Context, route: Route, path: str, work: Callable[[Call], Coroutine[Any, Any, Any]]
    ) -> Any:
        needs = ROUTES[route]
        call = Call(context, self._admission, needs)
        trailer: list[tuple[str, str | bytes]] = [("x-request-id", call.request_id)]
        try:
            call.caller = await self._admission.caller(call, needs)
            allowance = await self._admission.take(call.caller)
            if allowance is not None:
                trailer += ((name.lower(), value) for name, value in limit_fields(allowance).items())
            context.set_trailing_metadata(tuple(trailer))
            return await self._audited(call, route, work)
        except grpc.aio.AbortError:
            raise
        except CallerError as exc:
            caller = getattr(call, "caller", None)
            shown = caller.shown_refusal(exc) if caller else None
            problem = problem_of(shown or exc) or self._unexpected(exc, call, path)
        except Exception as exc:  # noqa: BLE001 - the boundary of a call: log it, answer an id
            problem = problem_of(exc) or self._unexpected(exc, call, path)
        return await self._abort(call, problem, trailer)

    async def _audited(
        self, call: Call, route: Route, work: Callable[[Call], Coroutine[Any, Any, Any]]
    ) -> Any:
        async with AsyncExitStack() as stack:
            call.change = Change()
            if is_audited(*route):
                recording = self._trail.recording(call.actor, action_of(*route))
                call.change = await stack.enter_async_context(recording)
            return await work(call)

    async def _abort(self, call: Call, problem: Problem, trailer: list[tuple[str, str | bytes]]) -> None:
        if problem.status in _DENIED:
            self._events.emit(RequestDenied(status=problem.status, code=problem.code))
        status = status_of(problem, call.request_id)
        trailer.append((DETAILS, status.SerializeToString()))
        await call.context.abort(code_of(problem), status.message, tuple(trailer))

    def _unexpected(self, exc: Exception, call: Call, path: str) -> Problem:
        error_id = str(uuid.uuid4())
        failed = RequestFailed(id=error_id, request_id=call.request_id, method="gRPC", path=path, error=exc)
        self._events.emit(failed)
        return internal_error(error_id)


def _method_of(servicers: Sequence[object], name: str) -> Any:
    words = "".join(f"_{each.lower()}" if each.isupper() else each for each in name)
    name = words.removeprefix("_")
    return next(getattr(each, name) for each in servicers if hasattr(each, name))


def read(kind: type[Kind], raw: bytes) -> Kind:
    """The message.

    Raises `RequestRefused` for malformed bytes, for which gRPC itself would answer INTERNAL.
    """
    try:
        return kind.FromString(raw)
    except DecodeError as exc:
        raise refuse(400, "bad_message", f"the request is not a {kind.DESCRIPTOR.full_name}") from exc


async def _each(kind: type[Kind], requests: AsyncIterator[bytes]) -> AsyncIterator[Kind]:
    async for raw in requests:
        yield read(kind, raw)
