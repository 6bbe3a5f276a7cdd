"""Makes the driver's client, set up so that retries and time limits are ours alone."""

from collections.abc import Iterable
from typing import Any

import hiredis
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from taskrunner.stores.redis.settings import Endpoint, RedisSettings

# Group commits need one connection per kind of change; the rest is for reads of the API.
MAX_CONNECTIONS = 16


class _Packing:
    """Packs commands in C: the driver's asyncio connections do it in Python, 5 times slower."""

    def pack_command(self, *args: Any) -> list[bytes]:
        name = args[0]
        if isinstance(name, str) and " " in name:
            args = (*name.split(), *args[1:])
        return [hiredis.pack_command(args)]

    def pack_commands(self, commands: Iterable[Iterable[Any]]) -> list[bytes]:
        return [part for command in commands for part in self.pack_command(*command)]


class _PlainConnection(_Packing, Connection):
    pass


class _TlsConnection(_Packing, SSLConnection):
    pass


class _UnixConnection(_Packing, UnixDomainSocketConnection):
    pass


def make_client(settings: RedisSettings, endpoint: Endpoint) -> Redis:
    """A client that has not connected yet. It never retries and sets no time limit on an answer."""
    options: dict[str, Any] = {
        "db": endpoint.db,
        "username": endpoint.user,
        "password": endpoint.password,
        "socket_connect_timeout": settings.dial_timeout,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "max_connections": MAX_CONNECTIONS,
        "timeout": settings.timeout,
        "connection_class": _PlainConnection,
    }
    if endpoint.path is not None:
        options |= {"path": endpoint.path, "connection_class": _UnixConnection}
    else:
        options |= {"host": endpoint.host, "port": endpoint.port, "socket_keepalive": True}
    if endpoint.tls:
        options["connection_class"] = _TlsConnection
    return Redis(connection_pool=BlockingConnectionPool(**options))
