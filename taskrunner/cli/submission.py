"""What `produce` does once it has its tasks: submit, print, and wait for results."""

import asyncio
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import click

from taskrunner.api.resources import encode, task_resource
from taskrunner.app.platform import Platform
from taskrunner.domain.draft import Draft
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.record import Record
from taskrunner.domain.status import TERMINAL, Status
from taskrunner.domain.write_concern import WriteConcern
from taskrunner.producer.bulk import Bulk, Refused
from taskrunner.producer.intake import Submitted
from taskrunner.runtime.backoff import Backoff

# Often enough for a person, seldom enough for the store.
_POLL = 0.1
# How long a bulk submit waits for a store that went away in the middle of it.
_PATIENCE = 60.0
# Refused lines beyond this many are counted, not shown.
_SHOWN_REFUSALS = 20

EXIT_FAILED = 1
EXIT_REFUSED = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """How to print, and whether to wait for the results."""

    as_json: bool
    wait: bool


async def submit_one(platform: Platform, draft: Draft, job: Job) -> int:
    """Submit a task; answers the exit code."""
    submitted = await platform.intake.submit(draft)
    waited = platform.publishes and draft.concern(platform.intake.rules) is not WriteConcern.STORE
    expected = waited and submitted.task.run_at is None and submitted.created
    if expected and not submitted.published:
        click.echo("taskrunner: stored; RabbitMQ did not confirm it yet, a relay will publish it", err=True)
    if not job.wait:
        _print_submitted(submitted, job)
        return 0
    return await _print_results(platform, [submitted.id], job)


async def submit_file(platform: Platform, source: BinaryIO, base: Draft, job: Job) -> int:
    """Submit every line that is a task, tell of those that are none; answers the exit code."""
    bulk = Bulk(platform.intake, base, patience=_PATIENCE)
    ids: list[str] = []
    refused = accepted = known = lines = 0
    with _progress(source) as shown:
        try:
            async for done in bulk.submit(shown):
                for submitted in done.submitted:
                    _print_submitted(submitted, job, quiet=job.wait)
                ids += [submitted.id for submitted in done.submitted] if job.wait else []
                _print_refused(source, done.refused, refused)
                refused += len(done.refused)
                accepted += sum(submitted.created for submitted in done.submitted)
                known += sum(not submitted.created for submitted in done.submitted)
                lines = done.lines
        except StoreUnavailable as exc:
            # What was accepted stays; the line number is where to go on.
            raise StoreUnavailable(f"{exc}; {accepted} tasks accepted, go on after line {lines}") from exc
    if known:
        click.echo(f"taskrunner: {known} ids were there already and were left as they are", err=True)
    if refused:
        click.echo(f"taskrunner: {refused} lines refused, {accepted} tasks accepted", err=True)
    failed = await _print_results(platform, ids, job) if job.wait else 0
    return EXIT_REFUSED if refused else failed


def _progress(source: BinaryIO) -> Any:
    return click.progressbar(
        source, label="submitting", show_pos=True, file=sys.stderr, hidden=not sys.stderr.isatty()
    )


def _print_submitted(submitted: Submitted, job: Job, *, quiet: bool = False) -> None:
    if quiet:
        return
    if not job.as_json:
        sys.stdout.write(f"{submitted.id}\n")
        return
    answer = {
        "id": submitted.id,
        "url": submitted.task.url,
        "created": submitted.created,
        "published": submitted.published,
    }
    sys.stdout.write(encode(answer).decode() + "\n")


def _print_refused(source: BinaryIO, refusals: list[Refused], before: int) -> None:
    name = getattr(source, "name", "-")
    for refused in refusals[: max(0, _SHOWN_REFUSALS - before)]:
        click.echo(f"{name}:{refused.number}: {refused.error}", err=True)


async def _print_results(platform: Platform, ids: Iterable[str], job: Job) -> int:
    """Wait for the tasks in turn and print each; 1 when any of them did not succeed."""
    code = 0
    for task_id in ids:
        record = await _wait(platform, task_id)
        if record is None:
            click.echo(f"{task_id}: no longer known, its retention is over", err=True)
            code = EXIT_FAILED
            continue
        body = await platform.store.body(task_id) if job.as_json else None
        sys.stdout.write(_line(record, body, job) + "\n")
        sys.stdout.flush()
        code = code if record.status is Status.SUCCEEDED else EXIT_FAILED
    return code


async def _wait(platform: Platform, task_id: str) -> Record | None:
    backoff = Backoff()
    while True:
        try:
            record = await platform.store.get(task_id)
        except StoreUnavailable:
            await asyncio.sleep(backoff.next())
            continue
        if record is None or record.status in TERMINAL:
            return record
        await asyncio.sleep(_POLL)


def _line(record: Record, body: bytes | None, job: Job) -> str:
    if job.as_json:
        return encode(task_resource(record, body=body)).decode()
    return " ".join(_words(record))


def _words(record: Record) -> Iterator[str]:
    yield record.task.id
    yield record.status.value
    if record.result is not None:
        yield f"{record.result.status} {record.result.content_type or '-'} {record.result.size_bytes} B"
        yield f"{record.result.timings.total:.3f} s"
    yield f"attempt {record.attempt}"
    if record.error:
        yield f"({record.error})"
