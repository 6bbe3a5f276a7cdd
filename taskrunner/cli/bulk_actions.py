"""What the commands on many tasks share: options, reading page by page, and their operation."""

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import command_actor, tell_if_lost
from taskrunner.cli.errors import FAILURE, PARTLY_DONE
from taskrunner.cli.options import task_filter
from taskrunner.config import load
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.operations.bulk_operation import (
    BulkOperation,
    OperationAction,
    OperationStatus,
    Resource,
)
from taskrunner.domain.operations.bulk_operation_draft import BulkOperationDraft, StopAtDraft
from taskrunner.producer.operation_run import OperationRun
from taskrunner.stores.base import Page

Item = TypeVar("Item")

_PAGE = 500
# Seconds between two looks at an operation that another process runs.
_LOOK = 0.5
# Carriage return, then "erase in line" of ECMA-48.
_ERASE = "\r\x1b[K"


def bulk_action_options(function: Any) -> Any:
    """`--all`, `--limit`, `--rate`, `--dry-run` and `--detach`; `read_draft` reads them."""
    everything = click.option("--all", "everything", is_flag=True, help="Select everything.")
    limit = click.option("--limit", type=click.IntRange(min=1), help="Act on at most this many.")
    rate = click.option(
        "--rate",
        type=click.FloatRange(min=0, min_open=True),
        metavar="N",
        help="Act on N per second [default: as fast as possible].",
    )
    dry_run = click.option("--dry-run", is_flag=True, help="Only print how many would be affected.")
    detach = click.option(
        "--detach", is_flag=True, help="Print the id of the operation, and leave the work to `serve`."
    )
    return everything(limit(rate(dry_run(detach(function)))))


def read_draft(
    action: OperationAction,
    given: Mapping[str, Any],
    *,
    resource: Resource = Resource.TASKS,
    ids: Collection[str] | None = None,
    stop_at: StopAtDraft | None = None,
) -> BulkOperationDraft:
    """What the options ask for. Acting on everything needs an explicit --all. Raises `FilterInvalid`.

    `ids`: the ids given to a command that accepts ids instead of conditions.
    """
    rest = dict(given)
    limit, rate, dry_run, everything = (rest.pop(name) for name in ("limit", "rate", "dry_run", "everything"))
    selected = task_filter(rest)
    if ids and limit is not None:
        raise click.UsageError("--limit is for conditions or --all; give fewer ids")
    if bool(ids) + everything + (not selected.is_empty) != 1:
        kinds = "conditions or --all" if ids is None else "ids, conditions or --all"
        raise click.UsageError(f"give exactly one of: {kinds}")
    conditions = {name: list(texts) if name == "label" else texts[0] for name, texts in rest.items() if texts}
    fields = {
        "action": action,
        "resource": resource,
        "filter": conditions or None,
        "ids": list(ids) if ids else None,
        "all": everything,
        "limit": limit,
        "rate": rate,
        "stop_at": stop_at,
        "dry_run": dry_run,
    }
    return BulkOperationDraft.from_fields(fields)


def run_operation(
    config_path: Path | None, draft: BulkOperationDraft, verb: str, *, detach: bool
) -> NoReturn:
    """Make the operation, and do it here unless `detach`; exits."""

    async def use(platform: Platform) -> int:
        runs = platform.operation_runs
        async with platform.audit.recording(command_actor(), "operations.create") as changed:
            made = await platform.operations.create(
                draft, command_actor(), runner=None if detach else runs.name
            )
            changed.target = made.operation.described
            if draft.dry_run:
                changed.add(0)
        tell_if_lost(changed.lost)
        if detach:
            click.echo(made.id)
            return 0
        running = OperationRun(runs, made)
        operation = await _finished(platform, running)
        tell_if_lost(running.lost)
        return _report(operation, verb)

    raise SystemExit(run(operate(load(config_path), use)))


async def _finished(platform: Platform, running: OperationRun) -> BulkOperation:
    """Do all steps. When that is interrupted, `serve` goes on with them."""
    shows_progress = sys.stderr.isatty()
    operation_id = running.operation.id
    try:
        while (pause := await running.advance()) is not None:
            if shows_progress:
                progress = running.operation.progress
                click.echo(f"{_ERASE}{progress.done} of {progress.matched}", nl=False, err=True)
            await asyncio.sleep(pause)
    except BaseException:
        with suppress(OutsideError):
            await running.release()
        click.echo(
            f"taskrunner: operation {operation_id} goes on in `taskrunner serve`; "
            f"`taskrunner operations abort {operation_id}` ends it",
            err=True,
        )
        raise
    finally:
        if shows_progress:
            click.echo(_ERASE, nl=False, err=True)
    operation = running.operation
    while operation.is_live:
        # This process was suspended until its lease ran out, and another process went on.
        await asyncio.sleep(_LOOK)
        operation = await platform.operations.find(operation_id)
    return operation


def _report(operation: BulkOperation, verb: str) -> int:
    """Print what was done; returns the exit code: `PARTLY_DONE` unless all that matched were changed."""
    progress, sample = operation.progress, operation.progress.sample
    if operation.dry_run:
        click.echo(f"{progress.matched} would be {verb}")
        return 0
    for refusal in progress.reasons:
        click.echo(f"taskrunner: {refusal.id}: {refusal.reason}", err=True)
    click.echo(f"{progress.done} of {progress.matched} {verb}")
    if operation.stop_at is not None and operation.action is OperationAction.REQUEUE:
        click.echo(f"{sample.ended} of them have ended, {sample.failed} failed again", err=True)
    if operation.status is not OperationStatus.COMPLETED:
        why = "too many failed" if operation.status is OperationStatus.STOPPED else operation.error
        click.echo(
            f"taskrunner: operation {operation.id} {operation.status}: {why or 'by request'}", err=True
        )
        return FAILURE
    return PARTLY_DONE if progress.done < progress.matched else 0


async def iterate_pages(
    read: Callable[[int, str | None], Awaitable[Page[Item]]], limit: int | None
) -> AsyncIterator[Item]:
    """Every item of a list, read page by page, up to `limit`."""
    left, cursor = limit, None
    while left is None or left > 0:
        page = await read(_PAGE if left is None else min(_PAGE, left), cursor)
        for item in page.items:
            yield item
        left = None if left is None else left - len(page.items)
        cursor = page.cursor
        if cursor is None:
            return


async def iterate_list(
    read: Callable[[int, str | None], Awaitable[Page[Item]]], limit: int
) -> AsyncIterator[Item]:
    """As `iterate_pages`, for a list that is printed: a line on stderr says that there are more."""
    left = limit
    async for item in iterate_pages(read, limit + 1):
        if not left:
            click.echo(f"taskrunner: only the first {limit}; --limit N prints more", err=True)
            return
        left -= 1
        yield item
