"""`taskrunner tasks`: the tasks that a selection chooses."""

import sys
from pathlib import Path

import click

from taskrunner.api.resources import encode, task_resource
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.options import conditions, config_option, selection
from taskrunner.cli.sweeping import listed
from taskrunner.config import load
from taskrunner.domain.record import Record


@click.group(name="tasks")
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
        async for record in listed(
            lambda size, cursor: platform.search.tasks(wanted, limit=size, cursor=cursor), limit
        ):
            sys.stdout.write(_line(record, as_json=as_json) + "\n")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


def _line(record: Record, *, as_json: bool) -> str:
    if as_json:
        return encode(task_resource(record)).decode()
    task = record.task
    words = [
        task.id,
        record.status.value,
        task.lane.value,
        f"attempt {record.attempt}",
        task.method,
        task.url,
    ]
    return " ".join([*words, *([f"({record.error})"] if record.error else [])])
