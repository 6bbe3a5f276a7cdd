"""What `produce` prints: the same, whether it submits to the store or to an API elsewhere."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import click
import orjson

from taskrunner.domain.codec import encode
from taskrunner.domain.status import Status
from taskrunner.producer.bulk_submit import Refused, bounded_lines

# Refused lines beyond this many are counted, not shown.
_SHOWN_REFUSALS = 20

EXIT_FAILED = 1
EXIT_REFUSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How to print, and whether to wait for the results."""

    as_json: bool
    wait: bool


@dataclass(slots=True)
class SubmitSummary:
    """What became of the lines of a file. `ids` are kept only where their results are waited for."""

    source: BinaryIO
    job: Job
    ids: list[str]
    accepted: int = 0
    known: int = 0
    refused: int = 0

    def add(self, answer: Mapping[str, Any]) -> None:
        """An accepted task: its `id`, `url`, `created` and `published`."""
        if self.job.wait:
            self.ids.append(answer["id"])
        else:
            print_submitted(answer, self.job)
        self.accepted += answer["created"]
        self.known += not answer["created"]

    def refuse(self, refused: Refused) -> None:
        if self.refused < _SHOWN_REFUSALS:
            name = getattr(self.source, "name", "-")
            click.echo(f"{name}:{refused.number}: {refused.error}", err=True)
        self.refused += 1

    def tell(self) -> None:
        if self.known:
            click.echo(f"taskrunner: {self.known} ids were there already and were left as they are", err=True)
        if self.refused:
            told = f"{_many(self.refused, 'line')} refused, {_many(self.accepted, 'task')} accepted"
            click.echo(f"taskrunner: {told}", err=True)


def progress(source: BinaryIO) -> Any:
    """The lines of `source` as a context, with a bar on a terminal."""
    return click.progressbar(
        bounded_lines(source),
        label="submitting",
        show_pos=True,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    )


def print_submitted(answer: Mapping[str, Any], job: Job) -> None:
    sys.stdout.write((encode(answer).decode() if job.as_json else answer["id"]) + "\n")


def print_result(resource: Mapping[str, Any], job: Job) -> int:
    """A task that ended, as the API shows it; answers the exit code for it."""
    line = encode(resource)
    # From JSON, so that both ways give the same words.
    sys.stdout.write((line.decode() if job.as_json else " ".join(_words(orjson.loads(line)))) + "\n")
    sys.stdout.flush()
    return 0 if resource["status"] == Status.SUCCEEDED else EXIT_FAILED


def print_gone(task_id: str) -> int:
    click.echo(f"{task_id}: no longer known, its retention is over", err=True)
    return EXIT_FAILED


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _words(resource: Mapping[str, Any]) -> Iterator[str]:
    yield resource["id"]
    yield resource["status"]
    result = resource["result"]
    if result is not None:
        yield f"{result['status_code']} {result['content_type'] or '-'} {result['size']} B"
        yield f"{result['timings']['total']:.3f} s"
    yield f"attempt {resource['attempt']}"
    if resource["error"]:
        yield f"({resource['error']})"
