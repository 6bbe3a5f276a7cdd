"""`taskrunner queues`: list, declare and delete queues."""

from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path

import click

from taskrunner.api.views.fleet import QueueView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.command_group import ListingGroup
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.table import each_of, print_list
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.duration import duration_text
from taskrunner.domain.keys.audit import ids_target
from taskrunner.domain.queues.queue_draft import QueueDraft
from taskrunner.producer.audit_trail import Change
from taskrunner.producer.fleet import QueueState

_HEADERS = ("QUEUE", "WEIGHT", "READY", "OLDEST", "IN/S", "OUT/S", "CONSUMERS", "PAUSED")


@click.group(cls=ListingGroup, name="queues")
def queues_command() -> None:
    """List, declare or delete queues. Without a command, list them."""


@queues_command.command("list")
@config_option
@json_option
def list_command(config_path: Path | None, as_json: bool) -> None:
    """Print the queues: messages that wait, for how long, rates, consumers, and who paused them."""
    config = load(config_path)

    async def use(platform: Platform) -> int:
        queues, now = each_of(await platform.fleet.queues()), platform.clock.now()
        row, view = partial(_row, now=now), lambda queue: QueueView.of(queue, now)
        return await print_list(queues, _HEADERS, row, view, as_json=as_json)

    raise SystemExit(run(operate(config, use, publishes=not config.rabbit.in_memory)))


@queues_command.command()
@config_option
@click.argument("name")
@click.option("--weight", type=int, default=1, show_default=True, help="Turns while every queue has tasks.")
def declare(config_path: Path | None, name: str, weight: int) -> None:
    """Declare a queue, or change its weight. Every process knows it within a second."""
    config, draft = load(config_path), QueueDraft.from_json(encode({"weight": weight}))

    async def use(platform: Platform, changed: Change) -> int:
        changed.add(0)
        queue, is_new = await platform.queue_admin.put(name, draft)
        changed.add(1)
        click.echo(f"{queue.name} {'declared' if is_new else 'changed'}, weight {queue.weight}")
        return 0

    publishes = not config.rabbit.in_memory
    raise SystemExit(run(change(config, use, "queues.set", ids_target([name]), publishes=publishes)))


@queues_command.command()
@config_option
@click.argument("name")
def delete(config_path: Path | None, name: str) -> None:
    """Withdraw the declaration of a queue that has no tasks."""
    config = load(config_path)

    async def use(platform: Platform, changed: Change) -> int:
        changed.add(0)
        await platform.queue_admin.delete(name)
        changed.add(1)
        click.echo(f"{name} deleted")
        return 0

    publishes = not config.rabbit.in_memory
    raise SystemExit(run(change(config, use, "queues.delete", ids_target([name]), publishes=publishes)))


def _row(queue: QueueState, now: datetime) -> Sequence[str]:
    since, pause = queue.queued_since, queue.pause
    return (
        queue.name,
        str(queue.weight),
        "?" if queue.ready is None else str(queue.ready),
        "-" if since is None else duration_text(max(0.0, (now - since).total_seconds())),
        f"{queue.rate_in:.1f}",
        f"{queue.rate_out:.1f}",
        "?" if queue.consumers is None else str(queue.consumers),
        "-" if pause is None else f"since {pause.since:%Y-%m-%dT%H:%M:%SZ} by {pause.by or '?'}",
    )
