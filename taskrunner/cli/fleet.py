"""`taskrunner queues` and `taskrunner workers`: what waits, and what runs."""

from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar

import click

from taskrunner.api.views.fleet import QueueView, WorkerView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.table import print_table
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.duration import duration_text
from taskrunner.domain.worker_report import WorkerReport
from taskrunner.producer.fleet import QueueState

Item = TypeVar("Item")

_QUEUE_HEADERS = ("QUEUE", "READY", "OLDEST", "IN/S", "OUT/S", "CONSUMERS", "PAUSED")
_WORKER_HEADERS = ("ID", "HOST", "UP", "BUSY", "TARGET", "QUEUES", "LONGEST")


@click.command("queues", cls=Command)
@config_option
@json_option
def queues_command(config_path: Path | None, as_json: bool) -> None:
    """Print the queues: messages that wait, for how long, rates, consumers, and who paused them."""
    config = load(config_path)

    async def use(platform: Platform) -> int:
        queues = await platform.fleet.queues()
        now = platform.clock.now()
        if as_json:
            for each in queues:
                click.echo(encode(QueueView.of(each, now)))
            return 0
        await print_table(_QUEUE_HEADERS, _rows(_queue_row(each, now) for each in queues))
        return 0

    raise SystemExit(run(operate(config, use, publishes=not config.rabbit.in_memory)))


@click.command("workers", cls=Command)
@config_option
@json_option
def workers_command(config_path: Path | None, as_json: bool) -> None:
    """Print the consumers: how many of their threads are busy, and the attempt that has run longest."""

    async def use(platform: Platform) -> int:
        workers = await platform.fleet.workers()
        if as_json:
            for each in workers:
                click.echo(encode(WorkerView.of(each)))
            return 0
        await print_table(_WORKER_HEADERS, _rows(map(_worker_row, workers)))
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


async def _rows(rows: Iterable[Item]) -> AsyncIterator[Item]:
    for row in rows:
        yield row


def _queue_row(queue: QueueState, now: datetime) -> Sequence[str]:
    since, pause = queue.queued_since, queue.pause
    return (
        queue.name,
        "?" if queue.ready is None else str(queue.ready),
        "-" if since is None else duration_text(max(0.0, (now - since).total_seconds())),
        f"{queue.rate_in:.1f}",
        f"{queue.rate_out:.1f}",
        "?" if queue.consumers is None else str(queue.consumers),
        "-" if pause is None else f"since {pause.since:%Y-%m-%dT%H:%M:%SZ} by {pause.by or '?'}",
    )


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
