"""`taskrunner tasks`: list, export, cancel, requeue or delete all tasks that match conditions."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from taskrunner.api.views.task import TaskView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.bulk_actions import (
    bulk_action_options,
    iterate_list,
    iterate_pages,
    read_draft,
    run_operation,
)
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option, filter_options, json_option, limit_option, task_filter
from taskrunner.cli.table import print_lines, print_list
from taskrunner.config import load
from taskrunner.domain.duration import duration_text
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.operations.bulk_operation import OperationAction
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_filter import TaskOrder

_HEADERS = ("ID", "STATUS", "AGE", "QUEUE", "REQUEST")
_sort_option = click.option(
    "--sort",
    type=click.Choice([order.value for order in TaskOrder]),
    default=TaskOrder.NEWEST.value,
    show_default=True,
    help="The order: by the time of creation, descending (-) or ascending.",
)


@click.group(cls=CommandGroup, name="tasks")
def tasks_command() -> None:
    """List, export, cancel, requeue or delete all tasks that match conditions."""


@tasks_command.command(name="list")
@config_option
@filter_options()
@_sort_option
@limit_option
@json_option
def list_tasks(
    config_path: Path | None, sort: str, limit: int, as_json: bool, **given: tuple[str, ...]
) -> None:
    """Print tasks, by default the newest first. AGE is the time since a task was accepted."""
    wanted, order = task_filter(given), TaskOrder(sort)

    async def use(platform: Platform) -> int:
        records = iterate_list(
            lambda size, cursor: platform.search.tasks(wanted, limit=size, cursor=cursor, order=order), limit
        )
        row = partial(task_row, now=platform.clock.now())
        return await print_list(records, _HEADERS, row, _view_in(platform), as_json=as_json)

    raise SystemExit(run(operate(load(config_path), use)))


@tasks_command.command()
@config_option
@filter_options()
@_sort_option
def export(config_path: Path | None, sort: str, **given: tuple[str, ...]) -> None:
    """Print all tasks that match as lines of JSON, with secrets masked."""
    wanted, order = task_filter(given), TaskOrder(sort)

    async def use(platform: Platform) -> int:
        records = iterate_pages(
            lambda size, cursor: platform.search.tasks(wanted, limit=size, cursor=cursor, order=order), None
        )
        return await print_lines(records, _view_in(platform))

    raise SystemExit(run(operate(load(config_path), use)))


@tasks_command.command()
@config_option
@filter_options()
@bulk_action_options
def cancel(config_path: Path | None, detach: bool, **given: tuple[str, ...]) -> None:
    """Cancel live tasks. Running fetches are aborted within a second."""
    run_operation(config_path, read_draft(OperationAction.CANCEL, given), "cancelled", detach=detach)


@tasks_command.command()
@config_option
@filter_options()
@bulk_action_options
def requeue(config_path: Path | None, detach: bool, **given: tuple[str, ...]) -> None:
    """Requeue failed tasks. They keep their history and get as many attempts as a new task."""
    run_operation(config_path, read_draft(OperationAction.REQUEUE, given), "requeued", detach=detach)


@tasks_command.command()
@config_option
@filter_options()
@bulk_action_options
def delete(config_path: Path | None, detach: bool, **given: tuple[str, ...]) -> None:
    """Delete tasks in any status, with results and history."""
    run_operation(config_path, read_draft(OperationAction.DELETE, given), "deleted", detach=detach)


def _view_in(platform: Platform) -> Callable[[Record], TaskView]:
    masking = Masking(platform.config.fetch.mask_headers)
    return lambda record: TaskView.of(record, masking)


def task_row(record: Record, now: datetime) -> Sequence[str]:
    """A task as a row of the list; the reason why it waits or failed follows its URL."""
    task = record.task
    reason = f"waits for {record.waits_for}" if record.waits_for else record.error
    return (
        task.id,
        record.status.value,
        duration_text((now - task.created_at).total_seconds()),
        task.queue,
        " ".join([_target(task), *([f"({reason})"] if reason else [])]),
    )


def _target(task: Task) -> str:
    return f"{task.method} {masked_url(task.url)}" if task.url is not None else f"{task.executor}"
