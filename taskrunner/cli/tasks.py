"""`taskrunner tasks`: the tasks that a selection chooses."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

import click

from taskrunner.api.views.task import TaskView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.bulk_action_options import bulk_action_options, bulk_actions, chosen, listed, print_result
from taskrunner.cli.group import Group
from taskrunner.cli.options import conditions, config_option, selection
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.record import Record
from taskrunner.producer.bulk_action import Action


@click.group(cls=Group, name="tasks")
def command() -> None:
    """Work on all tasks that meet the given conditions."""


@command.command(name="list")
@config_option
@conditions()
@click.option("--limit", type=click.IntRange(min=1), help="Print no more than this many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def list_tasks(config_path: Path | None, limit: int | None, as_json: bool, **given: tuple[str, ...]) -> None:
    """Print tasks, the newest ids first."""
    wanted = selection(given)

    async def use(platform: Platform) -> int:
        masking = Masking(platform.config.fetch.mask_headers)
        async for record in listed(
            lambda size, cursor: platform.search.tasks(wanted, limit=size, cursor=cursor), limit
        ):
            sys.stdout.write(task_line(record, masking, as_json=as_json) + "\n")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@command.command()
@config_option
@conditions()
@bulk_action_options
def cancel(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Cancel live tasks; fetches that run are cut within a second."""
    _bulk_action(config_path, Action.CANCEL, "cancelled", given)


@command.command()
@config_option
@conditions()
@bulk_action_options
def retry(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Let failed tasks go on, with their history and as many attempts as a new one has."""
    _bulk_action(config_path, Action.RETRY, "retried", given)


@command.command()
@config_option
@conditions()
@bulk_action_options
def delete(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Delete tasks, whatever their status, with results and history."""
    _bulk_action(config_path, Action.DELETE, "deleted", given)


def _bulk_action(
    config_path: Path | None, action: Action, verb: str, given: Mapping[str, tuple[str, ...]]
) -> NoReturn:
    choice = chosen(given)

    async def use(platform: Platform) -> int:
        counts = await bulk_actions(
            lambda size, cursor: platform.bulk_actions.tasks(
                action, choice.selection, limit=size, cursor=cursor, dry_run=choice.dry_run
            ),
            choice,
        )
        return print_result(verb, counts, choice)

    raise SystemExit(run(operate(load(config_path), use)))


def task_line(record: Record, masking: Masking, *, as_json: bool) -> str:
    """A task in a list; of one that waits for its host, why."""
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
    told = f"waits for {record.waits_for}" if record.waits_for else record.error
    return " ".join([*words, *([f"({told})"] if told else [])])
