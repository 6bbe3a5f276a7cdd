"""The database that holds the tasks, and its time limits."""

from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from taskrunner.domain.backends.postgres_url import PostgresUrl, read_postgres_url
from taskrunner.domain.errors import ConfigInvalid, FieldError

_EXPECTED = (
    "expected sqlite:///relative/file, sqlite:////absolute/file or postgresql://user@host:port/database"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SqlSettings:
    """`url` is `sqlite:///FILE` or `postgresql://…`, the latter with parameters of libpq (`?sslmode=…`).

    `dial_timeout` bounds the opening of a connection, `timeout` every call as a whole. `pool_size` is
    the most connections to PostgreSQL at once; SQLite always has two, one of them for reading.
    """

    url: str = field(repr=False)
    timeout: float = 5.0
    dial_timeout: float = 10.0
    pool_size: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteFile:
    """A database in a file of this machine."""

    path: Path
    service = "sqlite"
    title = "SQLite file"

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresDatabase:
    """A database on a server, or on one of several."""

    url: PostgresUrl
    service = "postgresql"
    title = "PostgreSQL at"

    def __str__(self) -> str:
        return str(self.url)


Database = SqliteFile | PostgresDatabase


def database(settings: SqlSettings) -> Database:
    """The database that the settings' URL names. Raises `ConfigInvalid`, which never shows the URL."""
    scheme = settings.url.partition(":")[0]
    if scheme == "sqlite":
        return _file(settings.url)
    if scheme in {"postgresql", "postgres"}:
        return _server(settings.url)
    raise _invalid(_EXPECTED)


def _file(url: str) -> SqliteFile:
    path = unquote(url.removeprefix("sqlite:///"))
    if not url.startswith("sqlite:///") or not path or path == ":memory:" or "?" in path:
        raise _invalid(_EXPECTED + "; a database in memory would lose tasks")
    return SqliteFile(path=Path(path))


def _server(url: str) -> PostgresDatabase:
    try:
        return PostgresDatabase(url=read_postgres_url(url))
    except ValueError as exc:
        raise _invalid(f"{_EXPECTED}, {exc}") from exc


def _invalid(problem: str) -> ConfigInvalid:
    return ConfigInvalid([FieldError(field="store.url", message=problem)])
