"""`taskrunner produce`: submit one task, or many from a file."""

from pathlib import Path
from typing import Any, BinaryIO

import click

from taskrunner.app.loop import run
from taskrunner.app.platform import produce
from taskrunner.cli.options import config_option
from taskrunner.cli.printing import Job
from taskrunner.cli.submission import submit_file, submit_one
from taskrunner.cli.task_options import task_fields, task_options
from taskrunner.config import load
from taskrunner.domain.task_draft import TaskDraft


@click.command("produce")
@config_option
@click.option("--url", help="The URL to fetch.")
@click.option(
    "--file",
    "source",
    type=click.File("rb"),
    help="Many tasks: one URL or one JSON object a line; - is standard input.",
)
@click.option("--delay", type=float, metavar="SECONDS", help="Run no earlier than this.")
@click.option("--run-at", metavar="TIME", help="Run no earlier than this time (RFC 3339).")
@click.option("--expires-at", metavar="TIME", help="Fail if no attempt has started by then (RFC 3339).")
@task_options
@click.option(
    "--write-concern", help="What to wait for: store, broker or replicated [default: Store.write_concern]."
)
@click.option(
    "--api",
    metavar="URL",
    envvar="TASKRUNNER_API_URL",
    help="Submit to the API of a `serve` elsewhere [default: $TASKRUNNER_API_URL, else store and broker].",
)
@click.option("--wait", is_flag=True, help="Wait for the results, print them, exit 1 if a task failed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def command(
    config_path: Path | None,
    source: BinaryIO | None,
    api: str | None,
    wait: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Submit tasks; prints their ids, one a line."""
    if (given["url"] is None) == (source is None):
        raise click.UsageError("give either --url or --file")
    fields = task_fields(given)
    job = Job(as_json=as_json, wait=wait)
    if api:
        raise SystemExit(_produce_remotely(api, source, fields, job))
    config = load(config_path)
    if source is None:
        draft = TaskDraft.from_fields(fields, config.task_limits())
        raise SystemExit(run(produce(config, lambda platform: submit_one(platform, draft, job))))
    # Checked once here, so that a wrong option is told once and not for every line.
    base = TaskDraft.base(fields, config.task_limits())
    raise SystemExit(run(produce(config, lambda platform: submit_file(platform, source, base, job))))


def _produce_remotely(api: str, source: BinaryIO | None, fields: dict[str, Any], job: Job) -> int:
    """Needs no configuration: the API has its own."""
    # 0.1 s of a start, and of no use to the others.
    from taskrunner.cli import remote

    if not api.startswith(("http://", "https://")):
        raise click.UsageError(f"--api: must start with http:// or https://, got {api[:40]!r}")
    if source is None:
        return remote.submit_one(remote.Remote(api), fields, job)
    return remote.submit_file(remote.Remote(api), source, fields, job)
