"""`taskrunner db`: make and upgrade the tables of a SQL store."""

from pathlib import Path

import click

from taskrunner.app.adapters import upgrade_store
from taskrunner.app.loop import run
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option
from taskrunner.config import Config, load


@click.group(cls=CommandGroup, name="db")
def db_command() -> None:
    """Manage the tables of a SQL store."""


@db_command.command("upgrade")
@config_option
def upgrade_tables(config_path: Path | None) -> None:
    """Create the tables or upgrade them. Safe to repeat and to run from several places at once."""
    raise SystemExit(run(_upgrade(load(config_path))))


async def _upgrade(config: Config) -> int:
    if await upgrade_store(config):
        click.echo("the database is up to date")
    else:
        click.echo("the store is Redis, which has no tables: nothing to do")
    return 0
