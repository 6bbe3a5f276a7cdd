"""Connection: the channel to a server; makes the calls of a worker, and repeats them."""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from taskrunner.runtime.backoff import Backoff
from taskrunner.v1.task_executor_pb2_grpc import TaskExecutorStub

_log = logging.getLogger(__name__)
# Seconds. The pause before a call is repeated doubles, up to the longest.
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 15.0
_CALL_TIMEOUT = 30.0
# https://grpc.github.io/grpc/core/group__grpc__arg__keys.html. A server that vanished is noticed within a
# minute; it permits a ping every ten seconds.
_OPTIONS = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 10_000),
    # The server bounds its answers, but for a single task as large as it takes.
    ("grpc.max_receive_message_length", -1),
)
# Errors that repeating the call cannot cure: somebody has to change something first.
REFUSALS = frozenset(
    {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.UNAUTHENTICATED,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.UNIMPLEMENTED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files in PEM. `ca_file` has the authorities to trust, by default those that come with grpc; a server
    that asks for certificates gets `cert_file` with its `key_file`.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None

    def credentials(self) -> grpc.ChannelCredentials:
        """Raises `OSError` for a file that cannot be read, `ValueError` for a certificate without its key."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("a client certificate needs both cert_file and key_file")
        ca, key, cert = (
            None if each is None else Path(each).read_bytes()
            for each in (self.ca_file, self.key_file, self.cert_file)
        )
        return grpc.ssl_channel_credentials(ca, key, cert)


class Connection:
    """One per worker. Used on one event loop, from `open` to `close`."""

    def __init__(self, address: str, key: str | None, tls: Tls | None) -> None:
        self.address = address
        self._metadata = () if key is None else (("authorization", f"Bearer {key}"),)
        self._credentials = None if tls is None else tls.credentials()

    def open(self) -> None:
        """The channel connects with the first call."""
        self._channel = (
            grpc.aio.insecure_channel(self.address, options=_OPTIONS)
            if self._credentials is None
            else grpc.aio.secure_channel(self.address, self._credentials, options=_OPTIONS)
        )
        self._stub: Any = TaskExecutorStub(self._channel)

    async def close(self) -> None:
        await self._channel.close()

    async def call(self, method: str, request: Any, *, timeout: float = _CALL_TIMEOUT) -> Any:
        """Raises `grpc.aio.AioRpcError`."""
        return await getattr(self._stub, method)(request, metadata=self._metadata, timeout=timeout)

    async def call_until_answered(self, method: str, request: Any) -> Any:
        """Repeat a call that may be repeated. Raises `grpc.aio.AioRpcError` for one of `REFUSALS`, and for a
        message that is too large.
        """
        backoff = Backoff(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            try:
                return await self.call(method, request)
            except grpc.aio.AioRpcError as exc:
                if exc.code() in REFUSALS or is_too_large(exc):
                    raise
                _log.warning("%s, trying again: %s", method, told(exc))
            await asyncio.sleep(backoff.next())


def is_too_large(exc: grpc.aio.AioRpcError) -> bool:
    """https://github.com/grpc/grpc/blob/master/src/core/ext/filters/message_size/message_size_filter.cc"""
    return exc.code() is grpc.StatusCode.RESOURCE_EXHAUSTED and "larger than max" in (exc.details() or "")


def told(exc: grpc.aio.AioRpcError) -> str:
    """The error in one line."""
    return f"{exc.code().name}: {exc.details()}"
