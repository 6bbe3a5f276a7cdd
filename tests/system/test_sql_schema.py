"""The migrations and the code agree on the tables, and the hot statements find their rows by an index."""

import sqlite3
from contextlib import closing
from pathlib import Path

import orjson
import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine
from sqlalchemy.dialects import sqlite as dialect

from taskrunner.stores.sql import schema
from taskrunner.stores.sql.statements import Statements, statements
from taskrunner.stores.sql.tables import metadata
from tests.tools.stores import sql_store, sqlite_url

HOT = [
    "lock_states",
    "claim",
    "settle",
    "mark_queued",
    "move_due",
    "lock_due",
    "lock_expired_tasks",
    "newest_of",
]


def test_the_code_knows_the_newest_migration() -> None:
    """`REVISION` is what an upgrade ends at, and revisions sort as text."""
    config = Config()
    config.set_main_option("script_location", "taskrunner.stores.sql:migrations")
    config.set_main_option("path_separator", "os")
    script = ScriptDirectory.from_config(config)
    revisions = [found.revision for found in script.walk_revisions()]
    assert script.get_current_head() == schema.REVISION
    assert revisions == sorted(revisions, reverse=True)
    assert all(len(revision) == len(schema.REVISION) for revision in revisions)


async def test_the_migrations_make_the_tables_of_the_code(tmp_path: Path) -> None:
    """Nothing is left that Alembic would change."""
    async with sql_store(sqlite_url(tmp_path / "x.db")):
        pass
    engine = create_engine(sqlite_url(tmp_path / "x.db"))
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": schema.VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


@pytest.mark.parametrize("name", HOT)
async def test_hot_statements_use_an_index(tmp_path: Path, name: str) -> None:
    """None walks through all tasks, whatever the planner knows of their number."""
    async with sql_store(sqlite_url(tmp_path / "x.db")):
        pass
    found: Statements = statements("sqlite")
    compiled = getattr(found, name).compile(dialect=dialect.dialect())
    values = dict.fromkeys(compiled.params, 1) | {"rows": orjson.dumps([{"id": "x"}]).decode()}
    parameters = [compiled.params[key] or values[key] for key in compiled.positiontup or ()]
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {compiled}", parameters).fetchall()
    steps = [str(row[3]) for row in plan]
    assert not [step for step in steps if step.startswith("SCAN taskrunner_tasks")], steps
    assert [step for step in steps if step.startswith("SEARCH taskrunner_tasks")], steps
