"""Connections that set what they need, in place of the defaults of a role, a database or a pooler.

Behind PgBouncer in transaction mode, each transaction may run on another session of the server, so nothing is
kept in a session: statements are prepared without names, and each BEGIN carries its settings.
https://www.pgbouncer.org/features.html#sql-feature-map-for-pooling-modes
"""

import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import asyncpg

from taskrunner.domain.backends.postgres_url import PostgresUrl

# A pooler knows these by name and keeps them with the client; anything else in a startup message it refuses.
_STARTUP = {"TimeZone": "UTC", "DateStyle": "ISO", "standard_conforming_strings": "on"}
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES.
_SOCKET_OPTIONS = {
    "keepalives_idle": "TCP_KEEPIDLE",
    "keepalives_interval": "TCP_KEEPINTVL",
    "keepalives_count": "TCP_KEEPCNT",
    "tcp_user_timeout": "TCP_USER_TIMEOUT",
}


class PostgresDialer:
    """Opens connections to the database of `url`. `pooled`: through a pooler that may change the session."""

    def __init__(self, url: PostgresUrl, dial_timeout: float) -> None:
        self._url = url
        self._timeout = url.dial_timeout or dial_timeout
        self._kind = _connection_class(url.search_path)
        self.pooled = False

    async def dial(self, command_timeout: float | None = None) -> "asyncpg.Connection[asyncpg.Record]":
        """A new connection. Raises the driver's errors."""
        url = self._url
        settings = {"application_name": url.application_name, **_STARTUP}
        if url.options:
            settings["options"] = url.options
        connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(
            f"postgresql://?{urlencode(url.driver)}" if url.driver else None,
            host=[host for host, _ in url.places] or None,
            port=[port for _, port in url.places] or None,
            user=url.user,
            password=url.password,
            database=url.database,
            timeout=self._timeout,
            command_timeout=command_timeout,
            statement_cache_size=0 if self.pooled else 100,
            server_settings=settings,
            connection_class=self._kind,
        )
        _set_keepalives(connection, url.keepalives)
        return connection

    async def look_for_pooler(self) -> None:
        """A pooler reports another process id than that of the backend that answers."""
        self.pooled = True
        connection = await self.dial()
        try:
            self.pooled = connection.get_server_pid() != await connection.fetchval("SELECT pg_backend_pid()")
        finally:
            await connection.close(timeout=self._timeout)


def _connection_class(search_path: str) -> "type[asyncpg.Connection[asyncpg.Record]]":
    settings = f" SET LOCAL search_path = {search_path};"

    class SettledConnection(asyncpg.Connection):  # type: ignore[misc]  # untyped
        """Sends the settings of a transaction with its BEGIN, in the same round trip."""

        __slots__ = ()

        async def execute(self, query: str, *args: Any, timeout: float | None = None) -> str:
            if not args and query.startswith("BEGIN"):
                query += settings
            done: str = await super().execute(query, *args, timeout=timeout)
            return done

    return SettledConnection


def _set_keepalives(connection: "asyncpg.Connection[asyncpg.Record]", wanted: Mapping[str, int]) -> None:
    """libpq sets them for TCP only; 0 is the system's default. asyncpg has no public way to its socket."""
    found: socket.socket | None = connection._transport.get_extra_info("socket")
    if not wanted or found is None or found.family == socket.AF_UNIX:
        return
    if "keepalives" in wanted:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, wanted["keepalives"] != 0)
    for name, option in _SOCKET_OPTIONS.items():
        if wanted.get(name) and hasattr(socket, option):
            found.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), wanted[name])
