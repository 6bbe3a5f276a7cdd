"""The migrations and the code agree on the tables, and the hot statements find their rows by an index."""

import re
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
from taskrunner.stores.sql.consumer_store import settle_attempts, start_attempts
from taskrunner.stores.sql.dead_letter_store import failed_tasks, own_failed_tasks
from taskrunner.stores.sql.locked_task import lock_tasks, set_due
from taskrunner.stores.sql.relay_store import lock_due, lock_outlived, set_queued
from taskrunner.stores.sql.statement import Statement
from taskrunner.stores.sql.tables import metadata
from taskrunner.stores.sql.task_lists import TASK_LISTS
from tests.tools.stores import sql_store, sqlite_url

# In both orders: those of a status, of all or of a namespace, and those of a namespace in every status.
LISTS = [built for (of_status, _, _), built in TASK_LISTS.items() if of_status]
OWN_LISTS = [built for (_, own, _), built in TASK_LISTS.items() if own]
HOT = [
    lock_tasks,
    start_attempts,
    settle_attempts,
    set_queued,
    set_due,
    lock_due,
    lock_outlived,
    *LISTS,
    own_failed_tasks,
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


def plan_of(statement: Statement, file: Path) -> list[str]:
    """What SQLite would do, step by step."""
    compiled = statement("sqlite").compile(dialect=dialect.dialect())  # type: ignore[attr-defined]  # all can be
    values = dict.fromkeys(compiled.params, 1) | {"rows": orjson.dumps([{"id": "x"}]).decode()}
    # SQLAlchemy writes literals, such as the status of a partial index, into the text when it executes.
    literals = set(re.findall(r"__\[POSTCOMPILE_(\w+)\]", str(compiled)))
    text = re.sub(r"__\[POSTCOMPILE_(\w+)\]", lambda found: f"'{compiled.params[found[1]]}'", str(compiled))
    names = [key for key in compiled.positiontup or () if key not in literals]
    parameters = [compiled.params[key] or values[key] for key in names]
    with closing(sqlite3.connect(file)) as connection:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {text}", parameters).fetchall()
    return [str(row[3]) for row in plan]


@pytest.mark.parametrize("page", [*LISTS, failed_tasks, own_failed_tasks])
async def test_a_page_of_a_list_is_not_sorted(tmp_path: Path, page: Statement) -> None:
    """It comes from an index in its order: sorting 100,000 tasks for a page of 50 takes 100 ms."""
    async with sql_store(sqlite_url(tmp_path / "x.db")):
        pass
    steps = plan_of(page, tmp_path / "x.db")
    assert not [step for step in steps if "TEMP B-TREE" in step], steps


@pytest.mark.parametrize("page", [*OWN_LISTS, own_failed_tasks])
async def test_a_page_of_a_namespace_passes_over_all_others(tmp_path: Path, page: Statement) -> None:
    """It comes from the index of namespaces: a tenant with ten tasks must not wait for one with a million."""
    async with sql_store(sqlite_url(tmp_path / "x.db")):
        pass
    steps = plan_of(page, tmp_path / "x.db")
    searches = [
        step
        for step in steps
        if "taskrunner_tasks USING" in step and not step.endswith("taskrunner_tasks_1 (id=?)")
    ]
    assert searches
    for step in searches:
        assert re.search(r"taskrunner_tasks_own\w* \(namespace=\? AND status=\? AND", step), steps


@pytest.mark.parametrize("hot", HOT)
async def test_hot_statements_use_an_index(tmp_path: Path, hot: Statement) -> None:
    """None walks through all tasks, whatever the planner knows of their number."""
    async with sql_store(sqlite_url(tmp_path / "x.db")):
        pass
    steps = plan_of(hot, tmp_path / "x.db")
    assert not [step for step in steps if step.startswith("SCAN taskrunner_tasks")], steps
    assert [step for step in steps if step.startswith("SEARCH taskrunner_tasks")], steps
