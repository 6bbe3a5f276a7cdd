"""`taskrunner resume`: start again what was paused."""

from pathlib import Path

import click

from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.options import config_option, scope_options
from taskrunner.config import load
from taskrunner.domain.pauses import read_scopes


@click.command("resume")
@config_option
@scope_options
def command(
    config_path: Path | None, queues: tuple[str, ...], labels: tuple[str, ...], everything: bool
) -> None:
    """Resume; `--all` ends the pause of everything, not those of queues and labels."""
    scopes = read_scopes(queues=queues, labels=labels, everything=everything)

    async def use(platform: Platform) -> int:
        for scope in scopes:
            was = await platform.store.resume(scope)
            click.echo(f"{scope} resumed" if was else f"{scope} was not paused")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))
