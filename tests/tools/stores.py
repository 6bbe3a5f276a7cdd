"""Makes stores for tests, each in a namespace of its own: a Redis prefix, a file, a PostgreSQL schema."""

import asyncio
import secrets
import sqlite3
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, closing
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import asyncpg

from taskrunner.domain.events import Events
from taskrunner.stores.sql.settings import SqlSettings
from taskrunner.stores.sql.store import SqlStore
from taskrunner.stores.sql.tables import metadata
from tests.tools.waiting import PATIENCE


def sqlite_url(path: Path) -> str:
    return f"sqlite:///{path}"


@cache
def empty_sqlite() -> bytes:
    """A file with the newest schema and nothing else. A copy takes a tenth of an upgrade's time."""
    with TemporaryDirectory() as folder, ThreadPoolExecutor(1) as thread:
        path = Path(folder) / "empty.db"
        store = SqlStore(SqlSettings(url=sqlite_url(path)), Events())
        # In a thread: a fixture may ask while its loop runs.
        thread.submit(asyncio.run, store.upgrade()).result()
        return path.read_bytes()


@asynccontextmanager
async def postgres_schema(url: str) -> AsyncIterator[str]:
    """The URL of a schema that nobody else uses, which goes at the end."""
    name = f"t{secrets.token_hex(6)}"
    await execute(url, f"CREATE SCHEMA {name}")
    try:
        yield in_schema(url, name)
    finally:
        await execute(url, f"DROP SCHEMA {name} CASCADE")


def in_schema(url: str, name: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}search_path={name}"


class Schemas:
    """PostgreSQL schemas with the newest tables, empty, for one test after another.

    Emptying one takes a tenth of the time of making and upgrading one. A test that changes the tables
    themselves uses `postgres_schema`.
    """

    def __init__(self, server: str) -> None:
        self._server = server
        self._idle: list[str] = []

    @asynccontextmanager
    async def lend(self, url: str | None = None) -> AsyncIterator[str]:
        """The URL of a schema that nobody else uses meanwhile; `url` leads to the same database."""
        name = self._idle.pop() if self._idle else await self._make()
        yield in_schema(url or self._server, name)
        await wipe_postgres(in_schema(self._server, name))
        self._idle.append(name)

    async def _make(self) -> str:
        name = f"t{secrets.token_hex(6)}"
        await execute(self._server, f"CREATE SCHEMA {name}")
        await SqlStore(SqlSettings(url=in_schema(self._server, name)), Events()).upgrade()
        return name


@cache
def schemas(server: str) -> Schemas:
    """Those of this process."""
    return Schemas(server)


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
    # Not TRUNCATE: it takes ten times as long for a few rows.
    await execute(url, "; ".join(f"DELETE FROM {table}" for table in metadata.tables))


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
