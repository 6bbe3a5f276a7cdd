"""Submits to the store and the broker for `produce`, prints, and waits for results."""

import asyncio
import sys
import time
from collections.abc import Iterable
from typing import Any, BinaryIO

import click

from taskrunner.api.views.dry_run import DryRunView
from taskrunner.api.views.task import TaskView
from taskrunner.app.platform import Platform
from taskrunner.cli.dry_run_output import print_dry_run
from taskrunner.cli.line_ids import LineIds
from taskrunner.cli.progress import SubmitProgress
from taskrunner.cli.submit_output import (
    EXIT_REFUSED,
    OutputOptions,
    SubmitSummary,
    print_known,
    print_not_ended,
    print_not_found,
    print_result,
    print_submitted,
)
from taskrunner.domain.codec import to_plain
from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.masking import Masking
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import TERMINAL
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.producer.batch_submit import BatchSubmit
from taskrunner.producer.intake import Submitted
from taskrunner.runtime.backoff import Backoff

# Seconds between two reads of a task that is waited for.
_POLL = 0.1
# How long a batch submit waits for a store that becomes unreachable.
_PATIENCE = 60.0


async def submit_one(platform: Platform, draft: TaskDraft, output: OutputOptions) -> int:
    """Submit a task; returns the exit code."""
    if output.dry_run:
        masking = Masking(platform.config.fetch.mask_headers)
        found = await platform.dry_runner.run(draft, idempotency_key=output.idempotency_key)
        print_dry_run(to_plain(DryRunView.of(found, masking)), output)
        return 0
    submitted = await platform.intake.submit(draft, idempotency_key=output.idempotency_key)
    concern = draft.effective_write_concern(platform.intake.task_settings)
    waits_for_broker = platform.publishes and concern is not WriteConcern.STORE
    is_due = submitted.task.run_at is None and submitted.created
    if waits_for_broker and is_due and not submitted.published:
        why = platform.broker.status().error
        note = "stored; RabbitMQ has not confirmed it yet, the relay will publish it"
        click.echo(f"taskrunner: {note} ({why})" if why else f"taskrunner: {note}", err=True)
    answer = _submitted_fields(submitted)
    print_known(answer)
    print_submitted(answer, output)
    if not output.wait:
        return 0
    sys.stdout.flush()
    return await _print_results(platform, [submitted.id], output)


async def submit_file(
    platform: Platform,
    source: BinaryIO,
    base: TaskDraft,
    output: OutputOptions,
    line_ids: LineIds | None,
) -> int:
    """Submit every line that is a task and print the others as errors; returns the exit code."""
    make_id = None if line_ids is None else line_ids.id_of
    batch_submit = BatchSubmit(
        platform.intake, base, patience=_PATIENCE, make_id=make_id, dry_run=output.dry_run
    )
    progress = SubmitProgress(source)
    summary = SubmitSummary(source, output, line_ids is not None, progress)
    unpublished = 0
    with summary.reporting():
        async for done in batch_submit.submit(progress.lines()):
            for refused in done.refused:
                summary.add_refused(refused)
            unpublished += sum(
                each.created and not each.published and not each.task.run_at for each in done.submitted
            )
            summary.count([_submitted_fields(each) for each in done.submitted], lines=done.lines)
    why = platform.broker.status().error
    if unpublished and why and platform.publishes and not output.dry_run:
        note = f"RabbitMQ has not confirmed {unpublished} of them yet, the relay will publish them"
        click.echo(f"taskrunner: {summary.accepted} stored; {note} ({why})", err=True)
    failed = await _print_results(platform, summary.ids, output)
    return EXIT_REFUSED if summary.refused else failed


def _submitted_fields(submitted: Submitted) -> dict[str, Any]:
    return {
        "id": submitted.id,
        "url": submitted.task.url,
        "created": submitted.created,
        "published": submitted.published,
    }


async def _print_results(platform: Platform, ids: Iterable[str], output: OutputOptions) -> int:
    """Wait for the tasks in turn and print each; returns the exit code."""
    code = 0
    give_up = time.monotonic() + output.wait_timeout
    masking = Masking(platform.config.fetch.mask_headers)
    for task_id in ids:
        record = await _wait(platform, task_id, give_up)
        if record is None:
            code = max(code, print_not_found(task_id))
            continue
        if record.status not in TERMINAL:
            code = print_not_ended(task_id, record.status, output)
            continue
        body = await platform.store.body(task_id) if output.as_json else None
        code = max(code, print_result(to_plain(TaskView.of(record, masking, body=body)), output))
    return code


async def _wait(platform: Platform, task_id: str, give_up: float) -> Record | None:
    """The record once the task has ended, or as it is at `give_up`. Raises `StoreUnavailable` then."""
    backoff = Backoff()
    while True:
        try:
            record = await platform.store.get(task_id)
        except StoreUnavailable:
            if time.monotonic() >= give_up:
                raise
            await asyncio.sleep(backoff.next())
            continue
        if record is None or record.status in TERMINAL or time.monotonic() >= give_up:
            return record
        await asyncio.sleep(_POLL)
