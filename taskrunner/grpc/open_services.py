"""Calls of the standard services, health and reflection: anybody may make them, without a key.

They have a limit of their own, so that strangers take no stream from clients with a key. gRPC parses their
requests itself, and answers INTERNAL if it cannot.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import grpc
from google.protobuf.message import DecodeError

from taskrunner.grpc.call import Context

# Streams at a time. A health check that is no stream needs no place.
MAX_OPEN_STREAMS = 50
_NO_MESSAGE = "the request is not a message of this method"
_NO_PLACE = f"there are {MAX_OPEN_STREAMS} streams of health and reflection already; try again, or call Check"


class OpenServices(grpc.aio.ServerInterceptor):
    """Bounds and parses the calls of these services. For our own, `Boundary` does."""

    def __init__(self) -> None:
        self._streams = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_deserializer is None:
            return handler
        return self._guarded(handler, handler.request_deserializer)

    @asynccontextmanager
    async def _place(self, context: Context) -> AsyncIterator[None]:
        if self._streams >= MAX_OPEN_STREAMS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, _NO_PLACE)
        self._streams += 1
        try:
            yield
        finally:
            self._streams -= 1

    def _guarded(self, handler: Any, parse: Callable[[bytes], Any]) -> Any:
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
            return await handler.unary_unary(await parsed(raw, context), context)

        async def replies(raw: bytes, context: Context) -> None:
            async with self._place(context):
                await handler.unary_stream(await parsed(raw, context), context)

        async def stream(requests: AsyncIterator[bytes], context: Context) -> AsyncIterator[Any]:
            async with self._place(context):
                async for reply in handler.stream_stream(each(requests, context), context):
                    yield reply

        return handler._replace(
            request_deserializer=None,
            unary_unary=handler.unary_unary and unary,
            unary_stream=handler.unary_stream and replies,
            stream_stream=handler.stream_stream and stream,
        )
