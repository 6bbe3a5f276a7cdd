"""`taskrunner pause`: start nothing new of a queue, a label or at all."""

from pathlib import Path

import click

from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.options import config_option, scope_options
from taskrunner.config import load
from taskrunner.domain.pauses import read_scopes


@click.command("pause")
@config_option
@scope_options
def command(
    config_path: Path | None, queues: tuple[str, ...], labels: tuple[str, ...], everything: bool
) -> None:
    """Pause; what runs goes on to its end. Without options: print what is paused."""
    asked = bool(queues or labels or everything)
    scopes = read_scopes(queues=queues, labels=labels, everything=everything) if asked else []

    async def use(platform: Platform) -> int:
        for scope in scopes:
            await platform.store.pause(scope, now=platform.clock.now())
        for scope, since in sorted((await platform.store.pauses()).items()):
            click.echo(f"{scope} paused since {since.isoformat(timespec='seconds')}")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))
