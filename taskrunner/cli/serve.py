"""`taskrunner serve`: the HTTP API and the relay."""

from pathlib import Path

import click

from taskrunner.app.loop import run
from taskrunner.app.serve import serve
from taskrunner.cli.options import config_option
from taskrunner.config import load


@click.command("serve")
@config_option
@click.option("--addr", help="Address to listen on (Api.addr).")
@click.option("--port", help="Port to listen on (Api.port).")
def command(config_path: Path | None, addr: str | None, port: str | None) -> None:
    """Serve the HTTP API, and relay what is due."""
    config = load(config_path, flags={"Api.addr": addr, "Api.port": port})
    raise SystemExit(run(serve(config)))
