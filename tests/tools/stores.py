"""Makes stores for tests, each in a namespace of its own: a Redis prefix, a file, a PostgreSQL schema."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import asyncpg

from taskrunner.domain.events import Events
from taskrunner.stores.sql.settings import SqlSettings
from taskrunner.stores.sql.store import SqlStore
from taskrunner.stores.sql.tables import metadata
from tests.tools.waiting import PATIENCE


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


@asynccontextmanager
async def postgres_schema(url: str) -> AsyncIterator[str]:
    """The URL of a schema that nobody else uses, which goes at the end."""
    name = f"t{secrets.token_hex(6)}"
    await execute(url, f"CREATE SCHEMA {name}")
    try:
        yield f"{url}{'&' if '?' in url else '?'}search_path={name}"
    finally:
        await execute(url, f"DROP SCHEMA {name} CASCADE")


async def execute(url: str, *statements: str) -> None:
    """Run statements on a PostgreSQL server, on a connection of their own."""
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def wipe_sqlite(path: Path) -> None:
    """Lose all tasks, as if the file had been restored from a backup of the first minute."""
    with closing(sqlite3.connect(path, timeout=PATIENCE)) as connection, connection:
        for table in metadata.tables:
            connection.execute(f"DELETE FROM {table}")


async def wipe_postgres(url: str) -> None:
    """Lose all tasks."""
    await execute(url, *(f"TRUNCATE {table}" for table in metadata.tables))


@asynccontextmanager
async def sql_store(url: str, events: Events | None = None, **settings: float) -> AsyncIterator[SqlStore]:
    """A store that is ready, with the newest schema."""
    store = SqlStore(SqlSettings(url=url, **settings), events or Events())  # type: ignore[arg-type]  # floats and ints
    await store.upgrade()
    await store.start()
    try:
        await store.wait_ready(PATIENCE)
        yield store
    finally:
        await asyncio.shield(store.stop())
