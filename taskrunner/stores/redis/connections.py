"""The connection pool: one command and its answer at a time on each connection.

The driver's own client and pool cost 100 µs more per call.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from ssl import SSLContext
from typing import Any

import hiredis
from redis.asyncio.connection import (
    AbstractConnection,
    Connection,
    UnixDomainSocketConnection,
)
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from taskrunner.domain.backends.redis_url import RedisUrl
from taskrunner.domain.backends.service_url import Place
from taskrunner.stores.redis.sentinel import Address, Sentinels
from taskrunner.stores.redis.settings import RedisSettings

# Group commits need one connection per kind of change; the others are for reads of the API.
MAX_CONNECTIONS = 16
# Seconds after which a connection that a busy moment opened, and nobody needs, is closed.
SPARE_FOR = 10.0
_NAME = "taskrunner"

MakeConnection = Callable[[RedisSettings, RedisUrl, SSLContext | None], AbstractConnection]


class Connections:
    """At most `MAX_CONNECTIONS`, opened when needed. Sets no time limit and sends nothing twice.

    Law: `_idle` is a stack of connections with the time of their last use; the first is the oldest.
    """

    def __init__(
        self, make: Callable[[], AbstractConnection], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._make = make
        self._monotonic = monotonic
        self._idle: list[tuple[float, AbstractConnection]] = []
        self._room = asyncio.Semaphore(MAX_CONNECTIONS)
        self._closed = False
        self._moved_to: Place | None = None

    def follow(self, place: Place | None) -> None:
        """Dial another node of the cluster from now on; None for the configured one."""
        self._moved_to = place

    async def send(self, *args: Any) -> Any:
        """The answer to one command; raises the driver's errors."""
        return (await self.converse([args]))[0]

    async def converse(self, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """The answers to commands that are sent one after the other on the same connection.

        A connection whose answer did not arrive, by a fault or by cancellation, is never used again.
        """
        async with self._room:
            connection = self._idle.pop()[1] if self._idle else self._new()
            try:
                answers = []
                for command in commands:
                    await connection.send_command(*command)
                    answers.append(await connection.read_response())
            except ResponseError:
                await self._put_back(connection)
                raise
            except BaseException:
                await connection.disconnect(nowait=True)
                raise
            await self._put_back(connection)
            return answers

    async def drop_idle(self) -> None:
        """Close the unused connections: they may lead to a server that is gone."""
        idle, self._idle = self._idle, []
        for _, connection in idle:
            await connection.disconnect(nowait=True)

    async def close(self) -> None:
        """Close all connections; those in use are closed after their answer."""
        self._closed = True
        idle, self._idle = self._idle, []
        for _, connection in idle:
            await connection.disconnect()

    def _new(self) -> AbstractConnection:
        connection = self._make()
        if self._moved_to is not None and isinstance(connection, Connection):
            host, connection.port = self._moved_to
            # No host means the same one: https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/
            connection.host = host or connection.host
        return connection

    async def _put_back(self, connection: AbstractConnection) -> None:
        if self._closed:
            await connection.disconnect(nowait=True)
            return
        now = self._monotonic()
        self._idle.append((now, connection))
        if self._idle[0][0] < now - SPARE_FOR:
            _, spare = self._idle.pop(0)
            await spare.disconnect(nowait=True)


class _Packing:
    """Packs commands in C: the driver's asyncio connections do it in Python, 5 times slower."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name = args[0]
        if isinstance(name, str) and " " in name:
            args = (*name.split(), *args[1:])
        return [hiredis.pack_command(args)]


class _Named(_Packing):
    """Names itself in the server's list of clients, where our user may: an ACL need not allow it."""

    async def on_connect_check_health(self, check_health: bool = True) -> None:
        await super().on_connect_check_health(check_health)  # type: ignore[misc]  # of the connection behind this
        with suppress(ResponseError):
            await self.send_command("CLIENT", "SETNAME", _NAME, check_health=False)  # type: ignore[attr-defined]
            await self.read_response()  # type: ignore[attr-defined]


class _PlainConnection(_Named, Connection):
    pass


class _TlsConnection(_Named, Connection):
    """Has a TLS context that was made once; the driver would read its files for each connection."""

    def __init__(self, *, context: SSLContext, **options: Any) -> None:
        super().__init__(**options)
        self._context = context

    def _connection_arguments(self) -> Mapping[str, Any]:
        return {**super()._connection_arguments(), "ssl": self._context}


class _Promoted:
    """Connects to the server that the Sentinels currently call the primary."""

    sentinels: Sentinels
    host: str
    port: int

    async def _connect(self) -> None:
        self.host, self.port = await self.sentinels.primary()
        await super()._connect()  # type: ignore[misc]  # the method of the connection that this is mixed into


class _PromotedPlain(_Promoted, _PlainConnection):
    pass


class _PromotedTls(_Promoted, _TlsConnection):
    pass


class _UnixConnection(_Named, UnixDomainSocketConnection):
    pass


def make_connection(
    settings: RedisSettings, endpoint: RedisUrl, context: SSLContext | None
) -> AbstractConnection:
    """A connection that is not open yet; it neither retries nor times out once it is."""
    options = _options(settings, user=endpoint.user, password=endpoint.password, db=endpoint.db or 0)
    if endpoint.path is not None:
        return _UnixConnection(path=endpoint.path, **options)
    if endpoint.service is None:
        return _tcp(endpoint.places[0], context, options)
    connection = (
        _PromotedPlain(socket_keepalive=True, **options)
        if context is None
        else _PromotedTls(socket_keepalive=True, context=context, **options)
    )
    connection.sentinels = _sentinels(settings, endpoint, endpoint.service, context)
    return connection


def _sentinels(
    settings: RedisSettings, endpoint: RedisUrl, service: str, context: SSLContext | None
) -> Sentinels:
    options = _options(settings, user=None, password=settings.sentinel_password, db=0)
    return Sentinels(
        endpoint.places,
        service,
        timeout=settings.dial_timeout,
        connect=lambda address: _tcp(address, context, options),
    )


def _options(settings: RedisSettings, *, user: str | None, password: str | None, db: int) -> dict[str, Any]:
    return {
        "db": db,
        "username": user,
        "password": password,
        "socket_timeout": None,
        "socket_connect_timeout": settings.dial_timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
    }


def _tcp(address: Address, context: SSLContext | None, options: dict[str, Any]) -> AbstractConnection:
    host, port = address
    if context is None:
        return _PlainConnection(host=host, port=port, socket_keepalive=True, **options)
    return _TlsConnection(host=host, port=port, socket_keepalive=True, context=context, **options)
