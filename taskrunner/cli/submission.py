"""What `produce` does with the store at hand: submit, print, and wait for results."""

import asyncio
from collections.abc import Iterable
from typing import Any, BinaryIO

import click
from msgspec import to_builtins

from taskrunner.api.views.task import TaskView
from taskrunner.app.platform import Platform
from taskrunner.cli.printing import (
    EXIT_REFUSED,
    Job,
    SubmitSummary,
    print_gone,
    print_result,
    print_submitted,
    progress,
)
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.masking import Masking
from taskrunner.domain.record import Record
from taskrunner.domain.status import TERMINAL
from taskrunner.domain.task_draft import TaskDraft
from taskrunner.domain.write_concern import WriteConcern
from taskrunner.producer.bulk_submit import BulkSubmit
from taskrunner.producer.intake import Submitted
from taskrunner.runtime.backoff import Backoff

# Often enough for a person, seldom enough for the store.
_POLL = 0.1
# How long a bulk submit waits for a store that went away in the middle of it.
_PATIENCE = 60.0


async def submit_one(platform: Platform, draft: TaskDraft, job: Job) -> int:
    """Submit a task; answers the exit code."""
    submitted = await platform.intake.submit(draft)
    waited = platform.publishes and draft.concern(platform.intake.rules) is not WriteConcern.STORE
    expected = waited and submitted.task.run_at is None and submitted.created
    if expected and not submitted.published:
        why = platform.broker.status().error
        told = "stored; RabbitMQ did not confirm it yet, a relay will publish it"
        click.echo(f"taskrunner: {told} ({why})" if why else f"taskrunner: {told}", err=True)
    if not job.wait:
        print_submitted(_answer(submitted), job)
        return 0
    return await _print_results(platform, [submitted.id], job)


async def submit_file(platform: Platform, source: BinaryIO, base: TaskDraft, job: Job) -> int:
    """Submit every line that is a task, tell of those that are none; answers the exit code."""
    bulk = BulkSubmit(platform.intake, base, patience=_PATIENCE)
    summary = SubmitSummary(source, job, [])
    lines = 0
    unpublished = 0
    with progress(source) as shown:
        try:
            async for done in bulk.submit(shown):
                for submitted in done.submitted:
                    summary.add(_answer(submitted))
                    unpublished += submitted.created and not submitted.published and not submitted.task.run_at
                for refused in done.refused:
                    summary.refuse(refused)
                lines = done.lines
        except StoreUnavailable as exc:
            # What was accepted stays; the line number is where to go on.
            where = f"{summary.accepted} tasks accepted, go on after line {lines}"
            raise StoreUnavailable(f"{exc}; {where}") from exc
    summary.tell()
    why = platform.broker.status().error
    if unpublished and why and platform.publishes:
        told = f"RabbitMQ did not confirm {unpublished} of them yet, a relay will publish them"
        click.echo(f"taskrunner: {summary.accepted} stored; {told} ({why})", err=True)
    failed = await _print_results(platform, summary.ids, job)
    return EXIT_REFUSED if summary.refused else failed


def _answer(submitted: Submitted) -> dict[str, Any]:
    return {
        "id": submitted.id,
        "url": submitted.task.url,
        "created": submitted.created,
        "published": submitted.published,
    }


async def _print_results(platform: Platform, ids: Iterable[str], job: Job) -> int:
    """Wait for the tasks in turn and print each; 1 when any of them did not succeed."""
    code = 0
    for task_id in ids:
        record = await _wait(platform, task_id)
        if record is None:
            code = print_gone(task_id)
            continue
        body = await platform.store.body(task_id) if job.as_json else None
        code = max(
            code,
            print_result(
                to_builtins(TaskView.of(record, Masking(platform.config.fetch.mask_headers), body=body)), job
            ),
        )
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
