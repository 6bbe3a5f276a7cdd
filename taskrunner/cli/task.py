"""`taskrunner task`: show, explain, cancel and delete single tasks."""

from pathlib import Path

import click

from taskrunner.api import curl, har
from taskrunner.api.endpoints.explanation import ExplanationView
from taskrunner.api.views.attempt import AttemptDetail
from taskrunner.api.views.task import TaskView
from taskrunner.api.views.view import pretty
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.ids import act_on_ids
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.watch import watch_command
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.keys.audit import ids_target
from taskrunner.domain.masking import Masking
from taskrunner.producer.audit_trail import Change

_ids_argument = click.argument("ids", metavar="ID...", nargs=-1, required=True)


@click.group(cls=CommandGroup, name="task")
def task_command() -> None:
    """Show, explain, watch, cancel or delete tasks by id."""


task_command.add_command(watch_command)


@task_command.command()
@config_option
@click.argument("task_id", metavar="ID")
@click.option("--attempt", type=click.IntRange(min=1), metavar="N", help="Print only this attempt, in full.")
@click.option(
    "--format",
    "attempt_format",
    type=click.Choice(["json", "har", "curl"]),
    help="How to print the attempt: JSON (default), HTTP Archive 1.2, or a curl command.",
)
def show(config_path: Path | None, task_id: str, attempt: int | None, attempt_format: str | None) -> None:
    """Print a task with its attempts and result, as JSON.

    Secrets in headers and query strings are masked.
    """
    if attempt_format is not None and attempt is None:
        raise click.UsageError("--format needs --attempt")

    async def use(platform: Platform) -> int:
        record = await platform.store.get(task_id)
        if record is None:
            raise TaskUnknown.of(task_id)
        fetch = platform.config.fetch
        masking = Masking(fetch.mask_headers)
        if attempt is None:
            body = await platform.store.body(task_id)
            click.echo(pretty(TaskView.of(record, masking, body=body)))
            return 0
        detail = AttemptDetail.of_record(record, attempt, masking, user_agent=fetch.user_agent)
        if attempt_format == "curl":
            click.echo(curl.command(detail, timeout=record.task.timeout), nl=False)
        else:
            click.echo(pretty(har.archive([detail]) if attempt_format == "har" else detail))
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@task_command.command()
@config_option
@click.argument("task_id", metavar="ID")
@json_option
def explain(config_path: Path | None, task_id: str, as_json: bool) -> None:
    """Print why a task is not running now: what has to end first comes first."""
    config = load(config_path)

    async def use(platform: Platform) -> int:
        found = await platform.explainer.explain(task_id, sees_all=True)
        if as_json:
            view = ExplanationView(id=task_id, status=found.record.status, reasons=found.reasons)
            click.echo(encode(view))
        else:
            for reason in found.reasons:
                click.echo(reason.text)
        return 0

    raise SystemExit(run(operate(config, use, publishes=not config.rabbit.in_memory)))


@task_command.command()
@config_option
@_ids_argument
def cancel(config_path: Path | None, ids: tuple[str, ...]) -> None:
    """Cancel tasks that have not finished. A running fetch is aborted within a second."""

    async def use(platform: Platform, changed: Change) -> int:
        async def cancel_one(task_id: str) -> str:
            return (await platform.cancellation.cancel(task_id)).status

        return await act_on_ids(ids, cancel_one, changed)

    raise SystemExit(run(change(load(config_path), use, "tasks.cancel", ids_target(ids))))


@task_command.command()
@config_option
@_ids_argument
def delete(config_path: Path | None, ids: tuple[str, ...]) -> None:
    """Delete tasks in any status, with results and history. A running fetch is aborted."""

    async def use(platform: Platform, changed: Change) -> int:
        async def delete_one(task_id: str) -> str:
            await platform.cancellation.delete(task_id)
            return "deleted"

        return await act_on_ids(ids, delete_one, changed)

    raise SystemExit(run(change(load(config_path), use, "tasks.delete", ids_target(ids))))
