"""SQLite: one thread writes, one reads, and writes that wait for each other share one commit.

Law: a commit is on the disk before its callers get their answers (synchronous=FULL).
"""

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, create_engine, event
from sqlalchemy import Engine as Pool
from sqlalchemy.pool import NullPool, QueuePool

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit
from taskrunner.domain.events import Events
from taskrunner.runtime.batcher import Batcher
from taskrunner.stores.connection import Fitness
from taskrunner.stores.sql import schema
from taskrunner.stores.sql.counts import probe, write_counts
from taskrunner.stores.sql.session import Session
from taskrunner.stores.sql.settings import SqliteFile, SqlSettings
from taskrunner.stores.sql.sql_connection import Answer, Operation, SqlStoreConnection

T = TypeVar("T")

# Calls of one commit. Each is a batch, so a few of them are as good as many.
GROUP = 16
# The share of a call's timeout spent waiting for a lock; the rest is for the answer.
_LOCK_SHARE = 0.8
UPGRADE_PATIENCE = 60.0
# Pages of 4 KiB: fewer, larger checkpoints than the default of 1,000.
_CHECKPOINT_PAGES = 4000
_CACHE_KIB = 32_000


@dataclass(frozen=True, slots=True)
class _Failed:
    error: Exception


class SqliteConnection(SqlStoreConnection):
    """The two threads and their connections."""

    def __init__(self, file: SqliteFile, settings: SqlSettings, events: Events) -> None:
        super().__init__(file, settings, events)
        self._file = file
        patience = settings.timeout * _LOCK_SHARE
        self._writer = _pool(lambda: _connect(file, "rw", patience), "BEGIN IMMEDIATE")
        self._reader = _pool(lambda: _connect(file, "rw", patience, query_only=True), "BEGIN")
        self._write_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-write")
        self._read_thread = ThreadPoolExecutor(1, thread_name_prefix="sqlite-read")
        self._writes: Batcher[Operation[Any], Any] = Batcher(self._commit, limit=GROUP)
        self._identity: tuple[int, int] | None = None
        self._closed = False

    async def _write(self, operation: Operation[Answer]) -> Answer:
        answer = await self._writes.submit(operation)
        if isinstance(answer, _Failed):
            raise answer.error
        result: Answer = answer
        return result

    async def _read(self, operation: Operation[Answer]) -> Answer:
        return await _in(self._read_thread, lambda: self._read_in_thread(operation))

    async def ping(self) -> None:
        await self._call(lambda: _in(self._read_thread, self._refuse_another_file))

    async def check_replicas(self) -> None:
        raise StoreUnfit(f"a SQLite file has no replica: {self._file}")

    async def replicate(self) -> None:
        await self.check_replicas()

    async def _inspect(self) -> Fitness:
        await _in(self._write_thread, self._writer.dispose)
        await _in(self._read_thread, self._reader.dispose)
        fitness = await _in(self._read_thread, self._inspect_file)
        await self._write(probe)
        return fitness

    async def _upgrade(self) -> None:
        await _in(self._write_thread, self._upgrade_file)

    async def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._writes.drain()
        await _in(self._write_thread, self._writer.dispose)
        await _in(self._read_thread, self._reader.dispose)
        self._write_thread.shutdown(wait=False)
        self._read_thread.shutdown(wait=False)

    async def _commit(self, operations: Sequence[Operation[Any]]) -> Sequence[Any]:
        return await _in(self._write_thread, lambda: self._commit_group(operations))

    def _commit_group(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        """All in one transaction; when one of them spoils it, each in its own."""
        try:
            return self._commit_together(operations)
        except Exception as exc:
            # A fault of the file itself would meet each of them.
            found = self._fault(exc)
            if len(operations) == 1 or (found is not None and not found.unknown):
                raise
        return [self._commit_alone(operation) for operation in operations]

    def _commit_together(self, operations: Sequence[Operation[Any]]) -> list[Any]:
        with self._writer.begin() as connection:
            session = Session(connection)
            answers = [operation(session) for operation in operations]
            write_counts(session)
        return answers

    def _commit_alone(self, operation: Operation[Any]) -> Any:
        try:
            return self._commit_together([operation])[0]
        except Exception as exc:  # noqa: BLE001 - handed to the caller of this operation
            return _Failed(exc)

    def _read_in_thread(self, operation: Operation[Answer]) -> Answer:
        with self._reader.begin() as connection:
            return operation(Session(connection))

    def _inspect_file(self) -> Fitness:
        if not self._file.path.exists():
            raise StoreUnfit(f"there is no SQLite file {self._file}: run `taskrunner db upgrade`")
        self._identity = self._present_identity()
        with self._reader.begin() as connection:
            schema.check(connection, self._shown)
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar_one()
        warnings = (
            () if mode == "wal" else (f"SQLite journal mode is {mode}, not wal: reads wait for writes",)
        )
        return Fitness(version=sqlite3.sqlite_version, warnings=warnings)

    def _refuse_another_file(self) -> None:
        """Writes to a file that was deleted or replaced are lost, and SQLite does not notice."""
        if self._present_identity() != self._identity:
            raise StoreUnavailable(f"the SQLite file {self._file} was moved, deleted or replaced")

    def _present_identity(self) -> tuple[int, int] | None:
        try:
            found = os.stat(self._file.path)
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _upgrade_file(self) -> None:
        engine = _pool(lambda: _connect(self._file, "rwc", UPGRADE_PATIENCE), "BEGIN IMMEDIATE", NullPool)
        if self._file.path.exists():
            look = _pool(
                lambda: _connect(self._file, "rw", UPGRADE_PATIENCE, query_only=True), "BEGIN", NullPool
            )
            with look.begin() as connection:
                if schema.check_upgradable(connection, self._shown):
                    return
        with engine.connect() as connection:
            connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
        with engine.begin() as connection:
            if not schema.check_upgradable(connection, self._shown):
                schema.upgrade(connection)


def _connect(file: SqliteFile, mode: str, patience: float, *, query_only: bool = False) -> sqlite3.Connection:
    uri = f"file:{quote(str(file.path.absolute()))}?mode={mode}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    if query_only:
        connection.execute("PRAGMA query_only = ON")
    return connection


def _pool(
    connect: Callable[[], sqlite3.Connection],
    begin: str,
    poolclass: "type[QueuePool] | type[NullPool]" = QueuePool,
) -> Pool:
    limits = {"pool_size": 1, "max_overflow": 0} if poolclass is QueuePool else {}
    engine = create_engine("sqlite://", creator=connect, poolclass=poolclass, **limits)

    def begin_transaction(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    event.listen(engine, "begin", begin_transaction)
    return engine


async def _in(thread: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(thread, work)
