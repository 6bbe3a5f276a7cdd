"""`taskrunner dev` and `demo`: everything in one process, without servers or setup."""

import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from taskrunner.api.auth.access_settings import Auth
from taskrunner.app.all import run_all
from taskrunner.app.api_servers import ApiServers
from taskrunner.app.embedded import ADDRESS, FILE_NAME, embedded_config, make_folder, store_url
from taskrunner.app.embedded_key import embedded_key
from taskrunner.app.handlers import read_handlers
from taskrunner.app.loop import run
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import handlers_option
from taskrunner.config import Config
from taskrunner.config.values import MEMORY
from taskrunner.demo.show import demo

# On loopback, where `dev` listens, these are safe; whoever writes them down gets what is written.
_DEFAULTS: Mapping[str, object] = {"Api.auth": Auth.LOOPBACK.value, "Fetch.allow_loopback": True}


@click.command("dev", cls=Command)
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="Configuration file [default: none].",
)
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="Folder of taskrunner.db [default: the current folder].",
)
@click.option("--port", help="Port to listen on; 0 picks a free one [default: 8000].")
@click.option("--grpc-port", help="Port of the gRPC API; 0 picks a free one [default: 50051].")
@handlers_option
def dev_command(
    config_path: Path | None, data: Path, port: str | None, grpc_port: str | None, handlers: str | None
) -> None:
    """Run the API, the console, the relay and the workers in one process, on a SQLite file.

    Reads no configuration file unless --config names one. The process may be stopped or killed at any time:
    when it starts again, every accepted task continues.
    """
    settings = {"Api.port": port, "Grpc.port": grpc_port, "Workers.handlers": handlers}
    given = partial(embedded_config, data, config_path=config_path, defaults=_DEFAULTS)
    read = partial(given, settings=settings)
    config = read()
    if not data.exists():
        # A mistake in the handlers leaves no folder behind. They are read again when they are to run.
        read_handlers(config.workers.handlers, os.getcwd(), config.task_limits())
    make_folder(data)
    key = None if config.api.keys else embedded_key(data.absolute())
    if key is not None:
        read = partial(given, settings=settings, fixed={"Api.keys": f"dev={key}"})
    file = (data / FILE_NAME).absolute()

    scheme = "http" if config.api.cert_file is None else "https"

    async def announce(servers: ApiServers) -> None:
        for line in _welcome(
            config, f"{scheme}://{ADDRESS}:{servers.port}", servers.grpc_port, file, config_path, key
        ):
            click.echo(line)

    main = run_all(read(), read=read, upgrade=True, monitor_page=False, when_ready=announce)
    raise SystemExit(run(main))


@click.command("demo", cls=Command)
def demo_command() -> None:
    """Run a few tasks against an unreliable target and print how each one ends.

    Uses free ports and a temporary folder, which is removed afterwards.
    """
    with tempfile.TemporaryDirectory(prefix="taskrunner-demo-") as folder:
        code = run(demo(Path(folder), click.echo))
    raise SystemExit(code)


def _welcome(
    config: Config, api: str, grpc_port: int | None, file: Path, config_path: Path | None, key: str | None
) -> list[str]:
    body = '{"url": "https://example.com/"}'
    needs_key = config.api.auth is Auth.KEYS
    header = f" -H 'authorization: Bearer {key or 'tr_…'}'" if needs_key else ""
    use = (
        "every request needs it" if needs_key else "here it may be left out, since only this machine gets in"
    )
    local = config.fetch.allow_loopback
    targets = (
        "tasks may fetch from this machine's loopback, on any port: not for production"
        if local
        else "as configured: tasks may not fetch from this machine's loopback"
    )
    return [
        f"taskrunner is ready: open {api}/ in a browser",
        f"  try      curl -s {api}/tasks -H 'content-type: application/json'{header} -d '{body}'",
        f"  API      {api}/docs documents every route",
        f"  gRPC     {'turned off' if grpc_port is None else f'{ADDRESS}:{grpc_port}'}",
        f"  CLI      in another terminal: {_export(api, file, config_path, key, local=local)}",
        f"  key      {key or 'as configured'}: {use}",
        f"  data     {file} (keep this file to continue at the next start)",
        f"  targets  {targets}",
        "  stop     Ctrl-C",
    ]


def _export(api: str, file: Path, config_path: Path | None, key: str | None, *, local: bool) -> str:
    """The line after which every command in another terminal works on these tasks, from any folder."""
    # Without --config, `dev` reads no file, so other commands must not read ./config.yaml either.
    settings = {
        "TASKRUNNER_CONFIG": os.devnull if config_path is None else str(config_path.absolute()),
        "TASKRUNNER_RABBIT__ADDR": MEMORY,
        "TASKRUNNER_STORE__URL": store_url(file),
        "TASKRUNNER_FETCH__ALLOW_LOOPBACK": str(local).lower(),
        "TASKRUNNER_API_URL": api,
        **({"TASKRUNNER_API_KEY": key} if key else {}),
    }
    words = [f"{name}={shlex.quote(value)}" for name, value in settings.items()]
    command = Path(sys.executable).with_name("taskrunner")
    if command.exists() and shutil.which("taskrunner") != str(command):
        words.insert(0, f"PATH={shlex.quote(str(command.parent))}:$PATH")
    return f"export {' '.join(words)}"
