"""`taskrunner produce`: submit one task, or many from a file."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import click

from taskrunner.app.loop import run
from taskrunner.app.platform import produce
from taskrunner.cli.options import config_option
from taskrunner.cli.printing import Job
from taskrunner.cli.submission import submit_file, submit_one
from taskrunner.config import load
from taskrunner.domain.draft import Draft
from taskrunner.domain.errors import FieldError, TaskInvalid


@click.command("produce")
@config_option
@click.option("--url", help="The URL to fetch.")
@click.option(
    "--file",
    "source",
    type=click.File("rb"),
    help="Many tasks: one URL or one JSON object a line; - is standard input.",
)
@click.option("--method", help="GET (default), HEAD, POST, PUT, PATCH, DELETE or OPTIONS.")
@click.option(
    "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; repeatable."
)
@click.option("--data", help="The request body; @FILE reads it from a file.")
@click.option("--priority", help="high, medium (default) or low.")
@click.option("--delay", type=float, metavar="SECONDS", help="Run no earlier than this.")
@click.option("--run-at", metavar="TIME", help="Run no earlier than this time (RFC 3339).")
@click.option("--max-attempts", type=int, help="Attempts in all.")
@click.option("--timeout", type=float, metavar="SECONDS", help="For one attempt.")
@click.option(
    "--label", "labels", multiple=True, metavar="NAME=VALUE", help="For finding it again; repeatable."
)
@click.option("--write-concern", help="What to wait for: store or broker [default: Store.write_concern].")
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
    fields = _fields(given)
    job = Job(as_json=as_json, wait=wait)
    if api:
        raise SystemExit(_produce_remotely(api, source, fields, job))
    config = load(config_path)
    if source is None:
        draft = Draft.from_fields(fields, config.task_limits())
        raise SystemExit(run(produce(config, lambda platform: submit_one(platform, draft, job))))
    # Checked once here with any URL, so that a wrong option is told once and not for every line.
    base = Draft.from_fields({"url": "http://example.com/", **fields}, config.task_limits())
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


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    """The draft's fields that were given as options."""
    fields = {
        name: value
        for name, value in given.items()
        if value is not None and name not in ("headers", "labels", "data")
    }
    if given["headers"]:
        fields["headers"] = _pairs(given["headers"], ":", "--header")
    if given["labels"]:
        fields["labels"] = _pairs(given["labels"], "=", "--label")
    if given["data"] is not None:
        fields["body"] = _data(given["data"])
        fields.setdefault("method", "POST")
    return fields


def _pairs(texts: Sequence[str], separator: str, option: str) -> dict[str, str]:
    pairs = [_pair(text, separator, option) for text in texts]
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise click.UsageError(f"{option}: {name!r} is given more than once; give it one value")
    return dict(pairs)


def _pair(text: str, separator: str, option: str) -> tuple[str, str]:
    name, found, value = text.partition(separator)
    if not found:
        raise click.UsageError(f"{option}: expected NAME{separator}VALUE, got {name[:40]!r}")
    return name.strip(), value.strip()


def _data(text: str) -> str:
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise TaskInvalid([FieldError(field="--data", message=f"cannot read {text[1:]!r}: {exc}")]) from exc
