"""`taskrunner tasks`: list, cancel, requeue or delete all tasks that match conditions."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click

from taskrunner.api.views.task import TaskView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.bulk_actions import bulk_action_options, iterate_list, read_draft, run_operation
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option, filter_options, json_option, limit_option, task_filter
from taskrunner.cli.streams import LineOutput
from taskrunner.cli.table import print_table
from taskrunner.config import load
from taskrunner.domain.bulk_operation import OperationAction
from taskrunner.domain.codec import encode
from taskrunner.domain.duration import duration_text
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.record import Record

_HEADERS = ("ID", "STATUS", "AGE", "QUEUE", "REQUEST")


@click.group(cls=CommandGroup, name="tasks")
def tasks_command() -> None:
    """List, cancel, requeue or delete all tasks that match conditions."""


@tasks_command.command(name="list")
@config_option
@filter_options()
@limit_option
@json_option
def list_tasks(config_path: Path | None, limit: int, as_json: bool, **given: tuple[str, ...]) -> None:
    """Print tasks, the newest first. AGE is the time since a task was accepted."""
    wanted = task_filter(given)

    async def use(platform: Platform) -> int:
        records = iterate_list(
            lambda size, cursor: platform.search.tasks(wanted, limit=size, cursor=cursor), limit
        )
        if not as_json:
            now = platform.clock.now()
            await print_table(_HEADERS, (task_row(record, now) async for record in records))
            return 0
        masking = Masking(platform.config.fetch.mask_headers)
        with LineOutput() as output:
            async for record in records:
                output.write(encode(TaskView.of(record, masking)).decode())
        return 0

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


def task_row(record: Record, now: datetime) -> Sequence[str]:
    """A task as a row of the list; the reason why it waits or failed follows its URL."""
    task = record.task
    reason = f"waits for {record.waits_for}" if record.waits_for else record.error
    return (
        task.id,
        record.status.value,
        duration_text((now - task.created_at).total_seconds()),
        task.priority.value,
        " ".join([task.method, masked_url(task.url), *([f"({reason})"] if reason else [])]),
    )
