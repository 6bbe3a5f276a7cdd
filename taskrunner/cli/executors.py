"""`taskrunner executors`: manage executors."""

import click

from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.handler_check import check_command


@click.group(cls=CommandGroup, name="executors")
def executors_command() -> None:
    """Manage executors."""


executors_command.add_command(check_command)
