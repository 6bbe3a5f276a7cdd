"""`taskrunner task`: look at single tasks, and end them."""

from pathlib import Path

import click

from taskrunner.api import curl, har
from taskrunner.api.views.attempt import AttemptDetail
from taskrunner.api.views.task import TaskView
from taskrunner.api.views.view import pretty
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.group import Group
from taskrunner.cli.options import config_option
from taskrunner.config import load
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.masking import Masking

_ids = click.argument("ids", metavar="ID...", nargs=-1, required=True)


@click.group(cls=Group, name="task")
def command() -> None:
    """Look at tasks by their ids, cancel or delete them."""


@command.command()
@config_option
@click.argument("task_id", metavar="ID")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Only this attempt, in full.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["json", "har", "curl"]),
    help="How to print an attempt: JSON (default), an HTTP Archive 1.2, or a curl command.",
)
def show(config_path: Path | None, task_id: str, attempt: int | None, form: str | None) -> None:
    """Print all that is known of a task, as JSON; secrets in headers and query strings are masked."""
    if form is not None and attempt is None:
        raise click.UsageError("--format belongs to an --attempt")

    async def use(platform: Platform) -> int:
        record = await platform.store.get(task_id)
        if record is None:
            raise TaskUnknown(f"no task has the id {task_id!r}: it never was, or its retention is over")
        fetch = platform.config.fetch
        masking = Masking(fetch.mask_headers)
        if attempt is not None:
            detail = AttemptDetail.of_record(record, attempt, masking, user_agent=fetch.user_agent)
            if form == "curl":
                click.echo(curl.command(detail, timeout=record.task.timeout), nl=False)
            else:
                click.echo(pretty(har.archive([detail]) if form == "har" else detail))
            return 0
        body = await platform.store.body(task_id)
        click.echo(pretty(TaskView.of(record, masking, body=body)))
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@command.command()
@config_option
@_ids
def cancel(config_path: Path | None, ids: tuple[str, ...]) -> None:
    """Cancel tasks that have not ended. A fetch that runs is cut within a second."""

    async def use(platform: Platform) -> int:
        for task_id in ids:
            record = await platform.cancellation.cancel(task_id)
            click.echo(f"{task_id} {record.status}")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@command.command()
@config_option
@_ids
def delete(config_path: Path | None, ids: tuple[str, ...]) -> None:
    """Delete tasks, whatever their status, with results and history. A fetch that runs is cut."""

    async def use(platform: Platform) -> int:
        for task_id in ids:
            await platform.cancellation.delete(task_id)
            click.echo(f"{task_id} deleted")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))
