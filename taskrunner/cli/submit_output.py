"""What `produce` prints: the same lines for a submit to the store and to an API."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import click
import orjson

from taskrunner.cli.progress import SubmitProgress
from taskrunner.domain.codec import encode
from taskrunner.domain.masking import masked_url
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import Value
from taskrunner.producer.batch_reader import RefusedLine

# RefusedLine lines beyond this many are counted, not shown.
_SHOWN_REFUSALS = 20

EXIT_FAILED = 1
EXIT_REFUSED = 2
EXIT_NOT_ENDED = 7


class OutputOptions(Value):
    """What to print; `wait` for the results, `wait_timeout` seconds at most.

    A `dry_run` submits nothing. `idempotency_key` is that of the only task.
    """

    as_json: bool
    wait: bool
    wait_timeout: float
    dry_run: bool = False
    idempotency_key: str | None = None


@dataclass(slots=True)
class SubmitSummary:
    """Counts and prints the results of the lines of a file. `ids` are collected only to wait for results.

    `repeatable`: the ids derive from the lines, so the same command makes no second tasks. `lines` is the
    number of lines up to which all are done.
    """

    source: BinaryIO
    output: OutputOptions
    repeatable: bool
    progress: SubmitProgress
    ids: list[str] = field(default_factory=list)
    lines: int = 0
    accepted: int = 0
    known: int = 0
    refused: int = 0

    @contextmanager
    def reporting(self) -> Iterator[None]:
        """Print the results at the end or, after an interruption, how to continue."""
        try:
            yield
        except BaseException:
            self.progress.erase()
            with suppress(BrokenPipeError):
                click.echo(f"taskrunner: {self._interruption()}", err=True)
            raise
        self.progress.erase()
        self._print_totals()

    def count(self, answers: Sequence[Mapping[str, Any]], *, lines: int) -> None:
        """Count accepted tasks, each with its `id`, `url`, `created` and `published`, then print them."""
        created = sum(answer["created"] for answer in answers)
        self.accepted += created
        self.known += len(answers) - created
        self.lines = lines
        self.progress.erase()
        # The ids of a dry run are those of no tasks.
        if self.output.as_json or not self.output.dry_run:
            for answer in answers:
                print_submitted(answer, self.output)
        if self.output.wait:
            sys.stdout.flush()
            self.ids += [answer["id"] for answer in answers]
        self.progress.update(lines)

    def add_refused(self, refused: RefusedLine) -> None:
        if self.refused < _SHOWN_REFUSALS:
            self.progress.erase()
            name = getattr(self.source, "name", "-")
            click.echo(f"{name}:{refused.number}: {refused.error}", err=True)
        self.refused += 1

    def _interruption(self) -> str:
        done = f"stopped: {_count(self.accepted, 'task')} accepted, the lines up to {self.lines} are done; "
        if self.repeatable:
            return f"{done}repeat the command to continue: an accepted line makes no second task"
        return (
            f"{done}continue after line {self.lines}. Later lines may have been accepted: a file instead of "
            "a pipe, or an id on each line, makes a repetition safe"
        )

    def _print_totals(self) -> None:
        if self.output.dry_run:
            self._print_foreseen()
            return
        if self.known:
            ids = f"{_count(self.known, 'line')} had been submitted before and made no new task"
            hint = "; --again submits them once more" if self.repeatable else ""
            click.echo(f"taskrunner: {ids}{hint}", err=True)
        if self.refused:
            counts = f"{_count(self.refused, 'line')} refused, {_count(self.accepted, 'task')} accepted"
            click.echo(f"taskrunner: {counts}", err=True)

    def _print_foreseen(self) -> None:
        known = f", {_count(self.known, 'line')} had been submitted before" if self.known else ""
        refused = f", {_count(self.refused, 'line')} would be refused" if self.refused else ""
        would = f"{_count(self.accepted, 'task')} would be accepted{known}{refused}"
        click.echo(f"taskrunner: dry run: {would}; nothing was submitted", err=True)


def print_submitted(answer: Mapping[str, Any], output: OutputOptions) -> None:
    """Print an accepted task; with `wait` and `as_json` on stderr, as stdout is for the results."""
    if output.wait and output.as_json:
        click.echo(answer["id"], err=True)
        return
    shown = {**answer, "url": masked_url(answer["url"])}
    sys.stdout.write((encode(shown).decode() if output.as_json else answer["id"]) + "\n")


def print_known(answer: Mapping[str, Any]) -> None:
    """Say so if a submit of one task made none."""
    if not answer["created"]:
        click.echo(f"taskrunner: {answer['id']} was there before; no new task was made", err=True)


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


def print_not_ended(task_id: str, status: str, output: OutputOptions) -> int:
    waited = f"still {status} after {output.wait_timeout:g} seconds"
    click.echo(
        f"taskrunner: {task_id}: {waited}; `taskrunner task show {task_id}` shows how it ends", err=True
    )
    return EXIT_NOT_ENDED


def _count(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _summary(resource: Mapping[str, Any]) -> Iterator[str]:
    yield resource["id"]
    yield resource["status"]
    result = resource["result"]
    if result is not None:
        status = [] if result["status_code"] is None else [str(result["status_code"])]
        yield " ".join([*status, result["content_type"] or "-", f"{result['size']} B"])
        if result["timings"] is not None:
            yield f"{result['timings']['total']:.3f} s"
    yield f"attempt {resource['attempt']}"
    if resource["error"]:
        yield f"({resource['error']})"
