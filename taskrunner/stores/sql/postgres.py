"""PostgreSQL: a pool of connections, one transaction per call, tried again after a certain rollback."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import asyncpg
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from taskrunner.domain.errors import StoreUnfit, WriteUnconfirmed
from taskrunner.domain.events import Events
from taskrunner.runtime.backoff import Backoff
from taskrunner.stores.connection import Fault, Fitness
from taskrunner.stores.sql import schema
from taskrunner.stores.sql.counts import probe, write_counts
from taskrunner.stores.sql.faults import LOST_STATEMENT
from taskrunner.stores.sql.postgres_dialer import PostgresDialer
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.settings import PostgresDatabase, SqlSettings
from taskrunner.stores.sql.sql_connection import Answer, Operation, SqlStoreConnection

MIN_VERSION = 13
# Of the pool's connections each may turn out dead once after a restart, and races are rare.
TRIES = 4
# A lost race, or a place that was taken: about a second of them.
CONTENDED_TRIES = 12
_PAUSE_FIRST, _PAUSE_CAP = 0.01, 0.2
UPGRADE_PATIENCE = 60.0
# The share of a call's timeout spent waiting for a standby; the rest is for the answer.
_WAIT_SHARE = 0.8
# Any number serves, if all processes use the same.
_UPGRADE_LOCK = 7_461_736_021


class PostgresConnection(SqlStoreConnection):
    """The pool. It asks for READ COMMITTED, which is enough: operations lock the rows that they decide on."""

    def __init__(self, database: PostgresDatabase, settings: SqlSettings, events: Events) -> None:
        super().__init__(database, settings, events)
        self._settings = settings
        self._dialer = PostgresDialer(database.url, settings.dial_timeout)
        self._pool = self._make_pool()

    async def _write(self, operation: Operation[Answer]) -> Answer:
        return await self._repeat(lambda: self._write_once(operation))

    async def _read(self, operation: Operation[Answer]) -> Answer:
        return await self._repeat(lambda: self._read_once(operation))

    async def _repeat(self, once: Callable[[], Awaitable[Answer]]) -> Answer:
        """Repeat calls that certainly had no effect, after a pause if the server is crowded or contended."""
        pause = Backoff(_PAUSE_FIRST, _PAUSE_CAP)
        failures = 0
        while True:
            try:
                return await once()
            except _Undone as exc:
                failures += 1
                if failures >= (CONTENDED_TRIES if exc.fault.answers else TRIES):
                    # Its cause is the driver's error, which has the details.
                    raise exc.error from exc.error.__cause__
                if exc.fault.unknown in LOST_STATEMENT and not self._dialer.pooled:
                    self._dialer.pooled = True
                    await self._renew_pool()
                elif exc.fault.answers:
                    await asyncio.sleep(pause.next())

    async def _renew_pool(self) -> None:
        old, self._pool = self._pool, self._make_pool()
        await old.dispose()

    async def ping(self) -> None:
        await self.read(lambda session: session.first(lambda _: text("SELECT 1")))

    async def check_replicas(self) -> None:
        await self.read(self._refuse_without_standby)

    async def replicate(self) -> None:
        await self._call(self._wait_for_standby)

    async def _wait_for_standby(self) -> None:
        """A commit waits until the standbys have all of the log before it, whoever wrote it.

        https://www.postgresql.org/docs/current/warm-standby.html#SYNCHRONOUS-REPLICATION
        """
        try:
            async with (
                asyncio.timeout(self._settings.timeout * _WAIT_SHARE),
                self._pool.connect() as connection,
            ):
                await self._commit_on_standby(connection)
        except TimeoutError as exc:
            raise WriteUnconfirmed(
                f"no synchronous standby of {self._shown} confirmed a write within "
                f"{self._settings.timeout * _WAIT_SHARE:g} s"
            ) from exc

    async def _inspect(self) -> Fitness:
        await self._pool.dispose()
        await self._dialer.look_for_pooler()
        await self._renew_pool()
        async with self._pool.begin() as connection:
            fitness = await connection.run_sync(self._inspect_server)
            await connection.run_sync(self._probe)
        return fitness

    async def _upgrade(self) -> None:
        await self._dialer.look_for_pooler()
        engine = self._make_engine(None, poolclass=NullPool)
        async with engine.begin() as connection:
            await connection.execute(text(f"SET LOCAL lock_timeout = '{UPGRADE_PATIENCE:.0f}s'"))
            await connection.execute(text(f"SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})"))
            await connection.run_sync(self._check_encoding)
            if not await connection.run_sync(schema.check_upgradable, self._shown):
                await connection.run_sync(schema.upgrade)
        await engine.dispose()

    async def _close(self) -> None:
        await self._pool.dispose()

    async def _commit_on_standby(self, connection: AsyncConnection) -> None:
        driver: asyncpg.Connection[asyncpg.Record] = (await connection.get_raw_connection()).driver_connection
        notices: list[object] = []

        def note(_: object, notice: object) -> None:
            notices.append(notice)

        driver.add_log_listener(note)
        try:
            await connection.execute(text("SET LOCAL synchronous_commit = 'on'"))
            await connection.run_sync(self._probe)
            await connection.commit()
            # The commit succeeds without waiting if there is no standby at the end, and with a warning if the
            # wait is cancelled.
            await connection.run_sync(lambda sync: self._refuse_without_standby(Session(sync)))
        finally:
            driver.remove_log_listener(note)
        if notices:
            raise WriteUnconfirmed(f"{self._shown} did not wait for its standby: {notices[0]}")

    def _refuse_without_standby(self, session: Session) -> None:
        row = session.first(lambda _: text("SELECT current_setting('synchronous_standby_names')"))
        if row is None or not row[0].strip():
            raise StoreUnfit(
                f"{self._shown} has no synchronous standby: set synchronous_standby_names, "
                "or use the write concern broker or store"
            )

    def _probe(self, connection: Connection) -> None:
        probe(Session(connection))

    async def _write_once(self, operation: Operation[Answer]) -> Answer:
        async with self._connected() as connection:
            answer = await self._perform(connection, lambda session: _with_counts(session, operation))
            # A failure from here on leaves open whether it was written: no further try, unless the server
            # says that it rolled back, as one that checks serializability at the commit does.
            try:
                await connection.commit()
            except Exception as exc:
                found = self._fault(exc)
                if found is not None and found.undone and found.answers:
                    raise _Undone(exc, found) from exc
                raise
        return answer

    async def _read_once(self, operation: Operation[Answer]) -> Answer:
        async with self._connected() as connection:
            return await self._perform(connection, operation)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        """A connection of the pool; one that was not made had no effect."""
        async with AsyncExitStack() as stack:
            try:
                connection = await stack.enter_async_context(self._pool.connect())
            except Exception as exc:
                self._raise_undone(exc)
                raise
            yield connection

    async def _perform(self, connection: AsyncConnection, operation: Operation[Answer]) -> Answer:
        try:
            return await connection.run_sync(lambda sync: operation(Session(sync)))
        except Exception as exc:
            self._raise_undone(exc)
            raise

    def _raise_undone(self, exc: Exception) -> None:
        found = self._fault(exc)
        if found is not None and found.undone:
            raise _Undone(exc, found) from exc

    def _inspect_server(self, connection: Connection) -> Fitness:
        version = connection.exec_driver_sql("SHOW server_version").scalar_one()
        number = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10_000
        if number < MIN_VERSION:
            raise StoreUnfit(f"{self._shown} is version {version}, but at least {MIN_VERSION} is needed")
        self._check_encoding(connection)
        schema.check(connection, self._shown)
        return Fitness(version=version, warnings=tuple(_warnings(connection)))

    def _check_encoding(self, connection: Connection) -> None:
        """Any other encoding lacks characters that a task may have."""
        found = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
        if found != "UTF8":
            raise StoreUnfit(
                f"{self._shown} has the encoding {found}, but UTF8 is needed: create a database "
                "(createdb --encoding=UTF8 --template=template0 NAME) and name it in the URL"
            )

    def _make_pool(self) -> AsyncEngine:
        return self._make_engine(
            self._settings.timeout,
            pool_size=self._settings.pool_size,
            max_overflow=0,
            pool_timeout=self._settings.timeout,
        )

    def _make_engine(self, command_timeout: float | None, **options: Any) -> AsyncEngine:
        # A statement without a name lives until the next one, which is in the same transaction.
        unnamed = {"prepared_statement_cache_size": 0, "prepared_statement_name_func": lambda: ""}
        return create_async_engine(
            "postgresql+asyncpg://",
            async_creator=lambda **_: self._dialer.dial(command_timeout),
            isolation_level="READ COMMITTED",
            connect_args=unnamed if self._dialer.pooled else {},
            **options,
        )


def _with_counts(session: Session, operation: Operation[Answer]) -> Answer:
    answer = operation(session)
    write_counts(session)
    return answer


class _Undone(Exception):
    def __init__(self, error: Exception, fault: Fault) -> None:
        self.error = error
        self.fault = fault
        super().__init__(str(error))


def _warnings(connection: Connection) -> list[str]:
    found = []
    for name, weak in (("fsync", "off"), ("full_page_writes", "off"), ("synchronous_commit", "off")):
        if connection.exec_driver_sql(f"SHOW {name}").scalar_one() == weak:
            found.append(
                f"PostgreSQL has {name} {weak}: accepted tasks are lost when it crashes; set {name} on"
            )
    return found
