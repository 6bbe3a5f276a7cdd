"""`taskrunner produce`: submit one task, or many from a file."""

import sys
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from taskrunner.app.loop import run
from taskrunner.app.platform import operate, produce
from taskrunner.cli import submit_to_store
from taskrunner.cli.command_group import Command
from taskrunner.cli.interruption import signals_as_interrupts
from taskrunner.cli.line_ids import LineIds
from taskrunner.cli.options import DURATION, config_option, json_option
from taskrunner.cli.submit_output import OutputOptions
from taskrunner.cli.task_options import claim_stdin, task_fields, task_options
from taskrunner.config import Config, load
from taskrunner.domain.keys.api_key import check_secret
from taskrunner.domain.tasks.client_key import check_client_key
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.value import replace

if TYPE_CHECKING:
    from taskrunner.cli.api_client import ApiClient

_WAIT_TIMEOUT = 3600.0
_ON_COMMAND_LINE = click.core.ParameterSource.COMMANDLINE


@click.command("produce", cls=Command)
@config_option
@click.option("--url", help="The URL to fetch.")
@click.option(
    "--file",
    "source",
    type=click.File("rb"),
    help="Many tasks: one URL or JSON object per line; - is standard input.",
)
@click.option("--delay", type=DURATION, help="Start no attempt before this delay is over: 90s, 10m, 1h30m.")
@click.option("--run-at", metavar="TIME", help="Start no attempt before this time (RFC 3339).")
@click.option("--expires-at", metavar="TIME", help="Start no attempt from this time on (RFC 3339).")
@task_options
@click.option(
    "--idempotency-key",
    metavar="KEY",
    help="The same command again under this key makes no second task; a line of --file has its own.",
)
@click.option(
    "--write-concern", help="What to wait for: store, broker or replicated [default: Store.write_concern]."
)
@click.option(
    "--api",
    metavar="URL",
    envvar="TASKRUNNER_API_URL",
    help="Submit through this API, without store and broker [default: $TASKRUNNER_API_URL].",
)
@click.option(
    "--key",
    metavar="KEY",
    envvar="TASKRUNNER_API_KEY",
    help="The key for the API of --api [default: $TASKRUNNER_API_KEY, which other users cannot see].",
)
@click.option(
    "--wait", is_flag=True, help="Wait for the results, print them, and exit with 1 if a task failed."
)
@click.option(
    "--wait-timeout",
    type=DURATION,
    help="Wait no longer than this, and exit with 7 if a task has not ended. Needs --wait. [default: 1h]",
)
@click.option(
    "--again",
    is_flag=True,
    help="Submit the lines of --file as new tasks, although the same command has submitted them before.",
)
@click.option(
    "--dry-run", is_flag=True, help="Submit nothing; print what would be submitted, or what is wrong with it."
)
@json_option
def produce_command(
    config_path: Path | None,
    source: BinaryIO | None,
    api: str | None,
    key: str | None,
    wait: bool,
    wait_timeout: float | None,
    again: bool,
    dry_run: bool,
    idempotency_key: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Submit tasks and print their ids, one per line.

    The ids of the lines of a file derive from its path, the line, its number and the options: the same
    command again submits only lines that it has not submitted before.
    """
    if source is not None and source is getattr(sys.stdin, "buffer", None):
        claim_stdin("--file")
        # A thread reads it, perhaps still when Python ends: closing `sys.stdin` would then abort the process.
        if isinstance(sys.stdin, TextIOWrapper):
            sys.stdin.detach()
    if source is not None and given["url"] is not None:
        raise click.UsageError("give either --url or --file")
    if source is None and (given["url"] is None) == (given["executor"] is None):
        raise click.UsageError("give --url, --executor or --file")
    if wait_timeout is not None and not wait:
        raise click.UsageError("--wait-timeout needs --wait")
    if again and source is None:
        raise click.UsageError("--again is for --file; without it, each command submits a new task")
    if dry_run and wait:
        raise click.UsageError("--dry-run submits nothing that --wait could wait for; leave out one of them")
    if idempotency_key is not None and source is not None:
        raise click.UsageError(
            "--idempotency-key is for one task; lines of --file can have one each, in JSON"
        )
    if api and config_path is not None:
        raise click.UsageError("--config has no effect on --api ($TASKRUNNER_API_URL); leave out one of them")
    if key and not api and click.get_current_context().get_parameter_source("key") is _ON_COMMAND_LINE:
        raise click.UsageError("--key is for --api; store and broker have their own passwords")
    fields = task_fields(given)
    output = OutputOptions(
        as_json=as_json,
        wait=wait,
        wait_timeout=_WAIT_TIMEOUT if wait_timeout is None else wait_timeout,
        dry_run=dry_run,
        idempotency_key=None if idempotency_key is None else _checked_key(idempotency_key),
    )
    line_ids = None if source is None or again else LineIds.of(source, fields)
    with signals_as_interrupts():
        if api:
            code = _submit_to_api(_api_client(api, key), source, fields, output, line_ids)
        else:
            code = _submit_to_store(load(config_path), source, fields, output, line_ids)
    raise SystemExit(code)


def _checked_key(key: str) -> str:
    try:
        return check_client_key(key)
    except ValueError as exc:
        raise click.UsageError(f"--idempotency-key: {exc}") from exc


def _submit_to_store(
    config: Config,
    source: BinaryIO | None,
    fields: dict[str, Any],
    output: OutputOptions,
    line_ids: LineIds | None,
) -> int:
    # The store has further queues: whether this one is among them, it is asked when it is reached.
    limits = config.task_limits()
    limits = replace(limits, queues=(*limits.queues, *filter(None, [fields.get("queue")])))
    # A dry run needs no broker.
    using = operate if output.dry_run else produce
    if source is None:
        draft = TaskDraft.from_fields(fields, limits)
        return run(using(config, lambda platform: submit_to_store.submit_one(platform, draft, output)))
    # Checked here, so that a wrong option is reported once and not for every line.
    base = TaskDraft.base(fields, limits)
    return run(
        using(
            config,
            lambda platform: submit_to_store.submit_file(platform, source, base, output, line_ids),
        )
    )


def _api_client(url: str, key: str | None) -> "ApiClient":
    """Raises `click.UsageError`, without the key."""
    # Importing requests takes 0.1 s, which a submit to the store can do without.
    from taskrunner.cli.api_client import ApiClient

    if not url.startswith(("http://", "https://")):
        raise click.UsageError(f"--api: must start with http:// or https://, got {url[:40]!r}")
    if not key:
        return ApiClient(url)
    try:
        return ApiClient(url, check_secret(key.strip()))
    except ValueError as exc:
        raise click.UsageError(f"--key ($TASKRUNNER_API_KEY): {exc}") from exc


def _submit_to_api(
    client: "ApiClient",
    source: BinaryIO | None,
    fields: dict[str, Any],
    output: OutputOptions,
    line_ids: LineIds | None,
) -> int:
    """Submit through an API, which has its own configuration."""
    from taskrunner.cli import submit_to_api

    if source is None:
        return submit_to_api.submit_one(client, fields, output)
    return submit_to_api.submit_file(client, source, fields, output, line_ids)
