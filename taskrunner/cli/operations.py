"""`taskrunner operations`: what runs in the background on many tasks."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from taskrunner.api.views.operation import OperationView
from taskrunner.api.views.view import pretty
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.bulk_actions import iterate_list
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option, json_option, limit_option
from taskrunner.cli.table import print_list
from taskrunner.config import load
from taskrunner.domain.duration import duration_text
from taskrunner.domain.operations.bulk_operation import BulkOperation
from taskrunner.producer.audit_trail import Change

_HEADERS = ("ID", "STATUS", "AGE", "DONE", "WHAT")
_id_argument = click.argument("operation_id", metavar="ID")


@click.group(cls=CommandGroup, name="operations")
def operations_command() -> None:
    """Show and abort operations on many tasks; `tasks` and `dead-letters` make them."""


@operations_command.command(name="list")
@config_option
@limit_option
@json_option
def list_operations(config_path: Path | None, limit: int, as_json: bool) -> None:
    """Print operations, the newest first. DONE is how many were changed, of how many that matched so far."""

    async def use(platform: Platform) -> int:
        operations = iterate_list(
            lambda size, cursor: platform.operations.list(limit=size, cursor=cursor), limit
        )
        row = partial(_row, now=platform.clock.now())
        return await print_list(operations, _HEADERS, row, OperationView.of, as_json=as_json)

    raise SystemExit(run(operate(load(config_path), use)))


@operations_command.command()
@config_option
@_id_argument
def show(config_path: Path | None, operation_id: str) -> None:
    """Print an operation with its progress, as JSON."""

    async def use(platform: Platform) -> int:
        click.echo(pretty(OperationView.of(await platform.operations.find(operation_id))))
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@operations_command.command()
@config_option
@_id_argument
def abort(config_path: Path | None, operation_id: str) -> None:
    """Abort an operation. It ends within a second, and what is done stays done."""

    async def use(platform: Platform, _: Change) -> int:
        operation = await platform.operations.abort(operation_id)
        click.echo(f"{operation_id} {operation.status}")
        return 0

    raise SystemExit(run(change(load(config_path), use, "operations.abort", operation_id)))


def _row(operation: BulkOperation, now: datetime) -> Sequence[str]:
    progress = operation.progress
    return (
        operation.id,
        operation.status.value,
        duration_text((now - operation.created_at).total_seconds()),
        f"{progress.done}/{progress.matched}",
        f"{operation.action} {operation.resource} {operation.target}",
    )
