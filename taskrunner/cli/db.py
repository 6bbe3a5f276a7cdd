"""`taskrunner db`: the tables of a SQL store."""

from pathlib import Path

import click

from taskrunner.app.adapters import upgrade_store
from taskrunner.app.loop import run
from taskrunner.cli.group import Group
from taskrunner.cli.options import config_option
from taskrunner.config import Config, load


@click.group(cls=Group, name="db")
def command() -> None:
    """Look after the tables of a SQL store."""


@command.command()
@config_option
def upgrade(config_path: Path | None) -> None:
    """Make the tables, or bring them up to date; safe to repeat, and in many places at once."""
    raise SystemExit(run(_upgrade(load(config_path))))


async def _upgrade(config: Config) -> int:
    if await upgrade_store(config):
        click.echo("the database is up to date")
    else:
        click.echo("the store is Redis, which has no tables: nothing to do")
    return 0
