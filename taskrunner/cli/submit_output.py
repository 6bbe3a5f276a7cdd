"""What `produce` prints: the same lines for a submit to the store and to an API."""

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import click
import orjson

from taskrunner.domain.codec import encode
from taskrunner.domain.status import Status
from taskrunner.domain.value import Value
from taskrunner.producer.bulk_submit import RefusedLine, bounded_lines

# RefusedLine lines beyond this many are counted, not shown.
_SHOWN_REFUSALS = 20

EXIT_FAILED = 1
EXIT_REFUSED = 2


class OutputOptions(Value):
    """What to print; `wait` for the results instead of the ids."""

    as_json: bool
    wait: bool


@dataclass(slots=True)
class SubmitSummary:
    """Counts what became of the lines of a file. `ids` are collected only to wait for their results."""

    source: BinaryIO
    output: OutputOptions
    ids: list[str]
    accepted: int = 0
    known: int = 0
    refused: int = 0

    def add(self, answer: Mapping[str, Any]) -> None:
        """An accepted task: its `id`, `url`, `created` and `published`."""
        if self.output.wait:
            self.ids.append(answer["id"])
        else:
            print_submitted(answer, self.output)
        self.accepted += answer["created"]
        self.known += not answer["created"]

    def add_refused(self, refused: RefusedLine) -> None:
        if self.refused < _SHOWN_REFUSALS:
            name = getattr(self.source, "name", "-")
            click.echo(f"{name}:{refused.number}: {refused.error}", err=True)
        self.refused += 1

    def print_totals(self) -> None:
        if self.known:
            click.echo(f"taskrunner: {self.known} ids already existed and were left unchanged", err=True)
        if self.refused:
            counts = f"{_count(self.refused, 'line')} refused, {_count(self.accepted, 'task')} accepted"
            click.echo(f"taskrunner: {counts}", err=True)


def progress(source: BinaryIO) -> Any:
    """A context that yields the lines of `source`, with a progress bar on a terminal."""
    return click.progressbar(
        bounded_lines(source),
        label="submitting",
        show_pos=True,
        file=sys.stderr,
        hidden=not sys.stderr.isatty(),
    )


def print_submitted(answer: Mapping[str, Any], output: OutputOptions) -> None:
    sys.stdout.write((encode(answer).decode() if output.as_json else answer["id"]) + "\n")


def print_result(resource: Mapping[str, Any], output: OutputOptions) -> int:
    """Print a finished task as the API shows it; returns the exit code for it."""
    line = encode(resource)
    # From JSON, so that the store and the API give the same words.
    sys.stdout.write((line.decode() if output.as_json else " ".join(_summary(orjson.loads(line)))) + "\n")
    sys.stdout.flush()
    return 0 if resource["status"] == Status.SUCCEEDED else EXIT_FAILED


def print_not_found(task_id: str) -> int:
    click.echo(f"{task_id}: not found: its retention is over", err=True)
    return EXIT_FAILED


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _summary(resource: Mapping[str, Any]) -> Iterator[str]:
    yield resource["id"]
    yield resource["status"]
    result = resource["result"]
    if result is not None:
        yield f"{result['status_code']} {result['content_type'] or '-'} {result['size']} B"
        yield f"{result['timings']['total']:.3f} s"
    yield f"attempt {resource['attempt']}"
    if resource["error"]:
        yield f"({resource['error']})"
