"""`taskrunner workers`: the consumers, and what they run."""

from collections.abc import Sequence
from pathlib import Path

import click

from taskrunner.api.views.fleet import WorkerView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.table import each_of, print_list
from taskrunner.config import load
from taskrunner.domain.duration import duration_text
from taskrunner.domain.fleet.worker_report import WorkerReport

_WORKER_HEADERS = ("ID", "HOST", "UP", "BUSY", "TARGET", "QUEUES", "LONGEST")


@click.command("workers", cls=Command)
@config_option
@json_option
def workers_command(config_path: Path | None, as_json: bool) -> None:
    """Print the consumers: how many of their threads are busy, and the attempt that has run longest."""

    async def use(platform: Platform) -> int:
        workers = each_of(await platform.fleet.workers())
        return await print_list(workers, _WORKER_HEADERS, _worker_row, WorkerView.of, as_json=as_json)

    raise SystemExit(run(operate(load(config_path), use)))


def _worker_row(worker: WorkerReport) -> Sequence[str]:
    at = worker.reported_at
    longest = next(iter(worker.running), None)
    return (
        worker.id,
        worker.host,
        duration_text((at - worker.since).total_seconds()),
        f"{worker.busy}/{worker.threads}",
        str(worker.target),
        ",".join(worker.queues),
        "-"
        if longest is None
        else f"{duration_text(max(0.0, (at - longest.since).total_seconds()))} {longest.task_id}",
    )
