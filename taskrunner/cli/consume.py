"""`taskrunner consume`: the supervisor and its workers."""

from pathlib import Path

import click

from taskrunner.app.consume import consume
from taskrunner.app.loop import run
from taskrunner.cli.options import config_option
from taskrunner.config import load


@click.command("consume")
@config_option
@click.option("--queues", help="Queues to serve, with commas: high,medium,low (Workers.queues).")
@click.option("--min-workers", help="Workers to keep when idle (Workers.min_workers).")
@click.option("--max-workers", help="Workers at the most (Workers.max_workers).")
@click.option("--addr", help="Address of the health page (Server.addr).")
@click.option("--port", help="Port of the health page (Server.port).")
def command(
    config_path: Path | None,
    queues: str | None,
    min_workers: str | None,
    max_workers: str | None,
    addr: str | None,
    port: str | None,
) -> None:
    """Run tasks: a supervisor and its worker threads."""
    flags = {
        "Workers.queues": queues,
        "Workers.min_workers": min_workers,
        "Workers.max_workers": max_workers,
        "Server.addr": addr,
        "Server.port": port,
    }
    raise SystemExit(run(consume(load(config_path, flags=flags))))
