"""Requests of the services that are not ours, which gRPC parses itself, and answers INTERNAL if it cannot."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from taskrunner.grpc.call import Context

_NO_MESSAGE = "the request is no message of this method"


class SafeParsing(grpc.aio.ServerInterceptor):
    """Answers INVALID_ARGUMENT instead. `Boundary` parses the requests of our own services."""

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        return _parsing(handler, handler.request_deserializer)


def _parsing(handler: Any, parse: Callable[[bytes], Any]) -> Any:
    """`handler` of gRPC, which is a named tuple, that gets bytes and parses them itself."""

    async def parsed(raw: bytes, context: Context) -> Any:
        try:
            return parse(raw)
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, _NO_MESSAGE)

    async def each(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        async for raw in requests:
            yield await parsed(raw, context)

    async def unary(raw: bytes, context: Context) -> Any:
        return await (handler.unary_unary or handler.unary_stream)(await parsed(raw, context), context)

    async def stream(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
        async for reply in handler.stream_stream(each(requests, context), context):
            yield reply

    return handler._replace(
        request_deserializer=None,
        unary_unary=handler.unary_unary and unary,
        unary_stream=handler.unary_stream and unary,
        stream_stream=handler.stream_stream and stream,
    )
