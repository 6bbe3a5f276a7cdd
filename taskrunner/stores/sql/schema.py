"""The revision of the schema: whether this code can use it, and the upgrade.

Law: a schema that is newer than the code, or another program's file, is never written to.
"""

from pathlib import Path

from sqlalchemy import Connection, MetaData, Table, Text, inspect, select
from sqlalchemy.schema import Column

from taskrunner.domain.errors import StoreUnfit

# The revision that this code reads and writes: the last of `migrations/versions`.
REVISION = "0001"
VERSION_TABLE = "taskrunner_schema"
_UPGRADE = "run `taskrunner db upgrade`"

_versions = Table(VERSION_TABLE, MetaData(), Column("version_num", Text))


def check(connection: Connection, shown: str) -> None:
    """Raises `StoreUnfit` unless the schema is that of this code."""
    found = _revision(connection)
    _refuse_newer(found, shown)
    if found is None:
        raise StoreUnfit(f"{shown} has no tables of taskrunner yet: {_UPGRADE}")
    if found != REVISION:
        raise StoreUnfit(
            f"{shown} has the older schema {found}, this taskrunner needs {REVISION}: {_UPGRADE}"
        )


def check_upgradable(connection: Connection, shown: str) -> bool:
    """Whether the schema is up to date already.

    Raises `StoreUnfit` for a newer schema, and for a SQLite file with another program's tables.
    """
    found = _revision(connection)
    _refuse_newer(found, shown)
    if found is None and connection.dialect.name == "sqlite":
        tables = inspect(connection).get_table_names()
        if tables:
            raise StoreUnfit(
                f"{shown} belongs to another program (it has a table {tables[0]!r}): "
                "give taskrunner a file of its own"
            )
    return found == REVISION


def upgrade(connection: Connection) -> None:
    """Apply the migrations that are missing, within the transaction of `connection`."""
    # Imported here: Alembic would take 0.2 s of every start.
    from alembic import command
    from alembic.config import Config

    config = Config()
    # ConfigParser takes a single % for the start of a reference.
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.scalar(select(_versions.c.version_num))


def _refuse_newer(found: str | None, shown: str) -> None:
    if found is not None and found > REVISION:
        raise StoreUnfit(
            f"{shown} has the schema {found}, newer than this taskrunner, which knows {REVISION}: "
            "install the newer taskrunner; nothing was changed"
        )
