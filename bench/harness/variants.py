"""Taskrunner on SQL stores, as contenders of their own."""

import sqlite3
from abc import abstractmethod
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import uvloop

from harness.backends import Backends
from harness.child import Child, run
from harness.ours import ROOT, Taskrunner

_SUCCEEDED = "SELECT count(*) FROM taskrunner_tasks WHERE status = 'succeeded'"


class OnSql(Taskrunner):
    """Keeps tasks in the database of `url`, which is emptied before each drain."""

    url: str

    def __init__(self, backends: Backends, folder: Path, target_port: int) -> None:
        folder.mkdir()
        super().__init__(backends, folder, target_port)

    def preload(self, pattern: str, tasks: int) -> None:
        self.wipe()
        run(self._command("db", "upgrade"), log=self._log, cwd=ROOT)
        super().preload(pattern, tasks)

    @abstractmethod
    def wipe(self) -> None:
        """Leave no table."""

    def _settings(self, target_port: int) -> dict[str, Any]:
        return {**super()._settings(target_port), "Store": {"url": self.url}}


class OnPostgres(OnSql):
    """`produce` and `consume` on RabbitMQ and PostgreSQL."""

    name = "taskrunner, PostgreSQL"

    def __init__(self, backends: Backends, folder: Path, target_port: int) -> None:
        self.url = backends.postgres_url
        super().__init__(backends, folder / "postgres", target_port)

    def wipe(self) -> None:
        for statement in ("DROP SCHEMA public CASCADE", "CREATE SCHEMA public"):
            uvloop.run(self._ask(statement))

    def stored(self) -> int:
        return int(uvloop.run(self._ask(_SUCCEEDED)))

    async def _ask(self, statement: str) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()


class Embedded(OnSql):
    """`all` in one process, on a SQLite file and the memory broker."""

    name = "taskrunner, embedded"

    def __init__(self, backends: Backends, folder: Path, target_port: int) -> None:
        self._file = folder / "embedded" / "taskrunner.db"
        self.url = f"sqlite:///{self._file}"
        super().__init__(backends, folder / "embedded", target_port)

    def wipe(self) -> None:
        for path in self._file.parent.glob(f"{self._file.name}*"):
            path.unlink()

    def _start_server(self, settings: Mapping[str, str] | None = None) -> Child:
        """With workers: a memory broker is of one process."""
        self.wipe()
        run(self._command("db", "upgrade"), log=self._log, cwd=ROOT)
        return Child(self._command("all"), log=self._log, cwd=ROOT, env=settings)

    def consume(self) -> Child:
        return Child(self._command("all"), log=self._log, cwd=ROOT)

    def stored(self) -> int:
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            return int(connection.execute(_SUCCEEDED).fetchone()[0])

    def depth(self) -> int:
        """The tasks that wait in the file: the queue itself is made when the process starts."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM taskrunner_tasks").fetchone()[0])

    def _settings(self, target_port: int) -> dict[str, Any]:
        return {**super()._settings(target_port), "Rabbit": {"addr": "memory://"}}
