"""`taskrunner tasks`: list, cancel, requeue or delete all tasks that match conditions."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from taskrunner.api.views.task import TaskView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.bulk_actions import (
    bulk_action_options,
    iterate_pages,
    print_counts,
    read_bulk_selection,
    run_bulk_action,
)
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option, filter_options, json_option, limit_option, task_filter
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.record import Record
from taskrunner.producer.bulk_actions import BulkAction


@click.group(cls=CommandGroup, name="tasks")
def tasks_command() -> None:
    """List, cancel, requeue or delete all tasks that match conditions."""


@tasks_command.command(name="list")
@config_option
@filter_options()
@limit_option
@json_option
def list_tasks(config_path: Path | None, limit: int | None, as_json: bool, **given: tuple[str, ...]) -> None:
    """Print tasks, the newest ids first."""
    wanted = task_filter(given)

    async def use(platform: Platform) -> int:
        masking = Masking(platform.config.fetch.mask_headers)
        async for record in iterate_pages(
            lambda size, cursor: platform.search.tasks(wanted, limit=size, cursor=cursor), limit
        ):
            sys.stdout.write(task_line(record, masking, as_json=as_json) + "\n")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@tasks_command.command()
@config_option
@filter_options()
@bulk_action_options
def cancel(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Cancel live tasks. Running fetches are aborted within a second."""
    _run_action(config_path, BulkAction.CANCEL, "cancelled", given)


@tasks_command.command()
@config_option
@filter_options()
@bulk_action_options
def requeue(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Requeue failed tasks. They keep their history and get as many attempts as a new task."""
    _run_action(config_path, BulkAction.REQUEUE, "requeued", given)


@tasks_command.command()
@config_option
@filter_options()
@bulk_action_options
def delete(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Delete tasks in any status, with results and history."""
    _run_action(config_path, BulkAction.DELETE, "deleted", given)


def _run_action(
    config_path: Path | None, action: BulkAction, verb: str, given: Mapping[str, tuple[str, ...]]
) -> NoReturn:
    selection = read_bulk_selection(given)

    async def use(platform: Platform) -> int:
        counts = await run_bulk_action(
            lambda size, cursor: platform.bulk_actions.tasks(
                action, selection.filter, limit=size, cursor=cursor, dry_run=selection.dry_run
            ),
            selection,
        )
        return print_counts(verb, counts, selection)

    raise SystemExit(run(operate(load(config_path), use)))


def task_line(record: Record, masking: Masking, *, as_json: bool) -> str:
    """A task as one line of the list, with the reason why it waits or failed."""
    if as_json:
        return encode(TaskView.of(record, masking)).decode()
    task = record.task
    words = [
        task.id,
        record.status.value,
        task.priority.value,
        f"attempt {record.attempt}",
        task.method,
        masked_url(task.url),
    ]
    reason = f"waits for {record.waits_for}" if record.waits_for else record.error
    return " ".join([*words, *([f"({reason})"] if reason else [])])
