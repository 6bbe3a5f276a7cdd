"""`taskrunner dev`: everything in one process, with nothing to set up."""

from pathlib import Path
from urllib.parse import quote

import click

from taskrunner.app.everything import Extras, run_everything
from taskrunner.app.loop import run
from taskrunner.cli.options import config_option
from taskrunner.config import Config, load
from taskrunner.domain.errors import StoreUnfit

FILE_NAME = "taskrunner.db"
_ADDRESS = "127.0.0.1"


@click.command("dev")
@config_option
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    metavar="DIR",
    help="The folder for taskrunner.db [default: this one].",
)
@click.option("--port", help="Port to listen on, 0 for a free one [default: 8000].")
def command(config_path: Path | None, data: Path, port: str | None) -> None:
    """Run everything in this one process: API, page, relay and workers, on a SQLite file.

    No file is read but one that --config names. Stop it or kill it: started again, it goes on.
    """
    config = embedded(data, port=port, config_path=config_path)
    file = (data / FILE_NAME).absolute()

    async def announce(bound: int) -> None:
        for line in welcome(f"http://{_ADDRESS}:{bound}", file):
            click.echo(line)

    extras = Extras(upgrade=True, monitor_page=False, ready=announce)
    raise SystemExit(run(run_everything(config, extras)))


def embedded(data: Path, *, port: str | None, config_path: Path | None = None, **dials: object) -> Config:
    """The configuration of `dev`, with its folder made. Raises `ConfigInvalid`, `StoreUnfit`."""
    try:
        data.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise StoreUnfit(f"cannot make the folder {data}: {exc.strerror}; name another by --data") from exc
    flags = {
        "Rabbit.addr": "memory://",
        "Store.url": f"sqlite:///{quote(str((data / FILE_NAME).absolute()))}",
        "Api.addr": _ADDRESS,
        "Api.port": port,
        **{name.replace("__", "."): value for name, value in dials.items()},
    }
    return load(config_path, flags=flags, search=False)


def welcome(api: str, file: Path) -> list[str]:
    """What to tell at start."""
    body = '{"url": "https://example.com/"}'
    return [
        f"taskrunner is ready: API and page {api}/",
        f"  data   {file}  (keep it, and everything goes on at the next start)",
        f"  try    curl -s {api}/tasks -H 'content-type: application/json' -d '{body}'",
        "  stop   Ctrl-C",
    ]
