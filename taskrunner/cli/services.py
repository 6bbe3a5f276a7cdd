"""`taskrunner serve`, `consume` and `all`: the processes of a deployment, which run until a signal."""

from functools import partial
from pathlib import Path

import click

from taskrunner.app.all import run_all
from taskrunner.app.consume import consume
from taskrunner.app.loop import run
from taskrunner.app.serve import serve
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import config_option, handlers_option
from taskrunner.config import load


@click.command("serve", cls=Command)
@config_option
@click.option("--addr", help="Address to listen on (Api.addr).")
@click.option("--port", help="Port to listen on (Api.port).")
def serve_command(config_path: Path | None, addr: str | None, port: str | None) -> None:
    """Run the HTTP API, the relay, which publishes due tasks, and the scheduler."""
    read = partial(load, config_path, flags={"Api.addr": addr, "Api.port": port})
    raise SystemExit(run(serve(read(), read=read)))


@click.command("consume", cls=Command)
@config_option
@click.option("--queues", help="Queues to serve, such as high,reports; by default all (Workers.queues).")
@handlers_option
@click.option("--min-workers", help="Workers to keep when idle (Workers.min_workers).")
@click.option("--max-workers", help="Maximum number of workers (Workers.max_workers).")
@click.option("--addr", help="Address of the health and statistics server (Server.addr).")
@click.option("--port", help="Port of the health and statistics server (Server.port).")
def consume_command(
    config_path: Path | None,
    queues: str | None,
    handlers: str | None,
    min_workers: str | None,
    max_workers: str | None,
    addr: str | None,
    port: str | None,
) -> None:
    """Run tasks: a consumer with an autoscaler and its worker threads."""
    flags = {
        "Workers.queues": queues,
        "Workers.handlers": handlers,
        "Workers.min_workers": min_workers,
        "Workers.max_workers": max_workers,
        "Server.addr": addr,
        "Server.port": port,
    }
    read = partial(load, config_path, flags=flags)
    raise SystemExit(run(consume(read(), read=read)))


@click.command("all", cls=Command)
@config_option
@handlers_option
def all_command(config_path: Path | None, handlers: str | None) -> None:
    """Run the API, the relay and the workers in one process.

    With Rabbit.addr memory:// and Store.url sqlite:///FILE, no servers are needed. Only one process at a time
    can use such a file; the in-memory queue is rebuilt from the file at each start.
    """
    read = partial(load, config_path, flags={"Workers.handlers": handlers})
    raise SystemExit(run(run_all(read(), read=read)))
