"""`taskrunner all`: API, relay and workers in one process."""

from pathlib import Path

import click

from taskrunner.app.all import run_all
from taskrunner.app.loop import run
from taskrunner.cli.options import config_option
from taskrunner.config import load


@click.command("all")
@config_option
def command(config_path: Path | None) -> None:
    """Run API, relay and workers in one process.

    With Rabbit.addr memory:// and a Store.url sqlite:///FILE it needs no services at all. One process at a
    time can have such a file; its queue is made anew from the file at each start.
    """
    raise SystemExit(run(run_all(load(config_path))))
