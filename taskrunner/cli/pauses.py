"""`taskrunner pause` and `resume`: stop starting tasks of a queue, a label or at all, and start again."""

from pathlib import Path
from typing import Any

import click

from taskrunner.app.loop import run
from taskrunner.app.platform import Platform
from taskrunner.cli.audited import change
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import config_option
from taskrunner.config import load
from taskrunner.domain.keys.audit import ids_target
from taskrunner.domain.queues.pauses import read_scopes
from taskrunner.producer.audit_trail import Change


def _scope_options(function: Any) -> Any:
    queue = click.option("--queue", "queues", multiple=True, metavar="NAME", help="A queue; repeatable.")
    label = click.option("--label", "labels", multiple=True, help="NAME=VALUE or NAME; repeatable.")
    everything = click.option("--all", "everything", is_flag=True, help="All tasks.")
    return queue(label(everything(function)))


@click.command("pause", cls=Command)
@config_option
@_scope_options
def pause_command(
    config_path: Path | None, queues: tuple[str, ...], labels: tuple[str, ...], everything: bool
) -> None:
    """Start no more tasks of a queue, of a label or at all. Running attempts continue.

    Without options, print what is paused.
    """
    asked = bool(queues or labels or everything)
    scopes = read_scopes(queues=queues, labels=labels, everything=everything) if asked else []

    async def use(platform: Platform, changed: Change) -> int:
        if asked:
            declared = platform.queues.declared.names
            read_scopes(queues=queues, labels=labels, everything=everything, declared=declared)
        changed.add(0)
        for scope in scopes:
            await platform.store.pause(scope, now=platform.clock.now())
            changed.add(1)
        for scope, since in sorted((await platform.store.pauses()).items()):
            when = "; in force everywhere within a second" if scope in scopes else ""
            click.echo(f"{scope} paused since {since.isoformat(timespec='seconds')}{when}")
        return 0

    raise SystemExit(run(change(load(config_path), use, "pause", ids_target(scopes))))


@click.command("resume", cls=Command)
@config_option
@_scope_options
def resume_command(
    config_path: Path | None, queues: tuple[str, ...], labels: tuple[str, ...], everything: bool
) -> None:
    """Resume what was paused. --all ends the pause of everything, not the pauses of queues and labels."""
    scopes = read_scopes(queues=queues, labels=labels, everything=everything)

    async def use(platform: Platform, changed: Change) -> int:
        changed.add(0)
        for scope in scopes:
            was_paused = await platform.store.resume(scope)
            changed.add(was_paused)
            click.echo(f"{scope} resumed" if was_paused else f"{scope} was not paused")
        return 0

    raise SystemExit(run(change(load(config_path), use, "resume", ids_target(scopes))))
