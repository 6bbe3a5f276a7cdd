"""`taskrunner dev`: everything in one process, with nothing to set up."""

from pathlib import Path

import click

from taskrunner.app.all import run_all
from taskrunner.app.embedded import ADDRESS, FILE_NAME, embedded_config, store_url
from taskrunner.app.loop import run


@click.command("dev")
@click.option(
    "--config",
    "config_path",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="PATH",
    help="The configuration file [default: none].",
)
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
    settings = {"Api.port": port, "Fetch.allow_loopback": True}
    config = embedded_config(data, settings=settings, config_path=config_path)
    file = (data / FILE_NAME).absolute()

    async def announce(bound: int) -> None:
        for line in welcome(f"http://{ADDRESS}:{bound}", file):
            click.echo(line)

    main = run_all(config, upgrade=True, monitor_page=False, when_ready=announce)
    raise SystemExit(run(main))


def welcome(api: str, file: Path) -> list[str]:
    """What to tell at start."""
    body = '{"url": "https://example.com/"}'
    return [
        f"taskrunner is ready; see {api}/ in a browser",
        f"  try    curl -s {api}/tasks -H 'content-type: application/json' -d '{body}'",
        f"  API    {api}/docs tells every route",
        f"  CLI    export TASKRUNNER_STORE__URL={store_url(file)} TASKRUNNER_API_URL={api}",
        f"  data   {file} (keep it, and everything goes on at the next start)",
        "  reach  tasks may fetch from this machine's loopback, on any port: not for production",
        "  stop   Ctrl-C",
    ]
