"""`taskrunner dead-letters`: failed tasks and unreadable messages."""

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import NoReturn

import click

from taskrunner.api.views.dead_letter import DeadLetterDetail, DeadLetterView
from taskrunner.api.views.view import pretty
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.bulk_actions import (
    BulkSelection,
    bulk_action_options,
    iterate_list,
    print_counts,
    read_bulk_selection,
    run_bulk_action,
)
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.ids import act_on_ids
from taskrunner.cli.options import config_option, filter_options, json_option, limit_option, task_filter
from taskrunner.cli.streams import LineOutput
from taskrunner.cli.table import print_table
from taskrunner.config import load
from taskrunner.domain.audit import ids_target
from taskrunner.domain.codec import encode
from taskrunner.domain.duration import duration_text
from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.domain.masking import masked_url
from taskrunner.domain.record import DeadLetter
from taskrunner.domain.task_filter import LETTER_CONDITIONS
from taskrunner.producer.audit_trail import Change
from taskrunner.producer.gradual_requeue import GradualRequeue

_HEADERS = ("ID", "KIND", "AGE", "REASON", "URL")
_letter_filter_options = filter_options(LETTER_CONDITIONS)


@click.group(cls=CommandGroup, name="dead-letters")
def dead_letters_command() -> None:
    """Manage dead letters: failed tasks, and messages that are not tasks."""


@dead_letters_command.command(name="list")
@config_option
@_letter_filter_options
@limit_option
@json_option
def list_letters(config_path: Path | None, limit: int, as_json: bool, **given: tuple[str, ...]) -> None:
    """Print dead letters, the latest first. AGE is the time since it failed."""
    wanted = task_filter(given)

    async def use(platform: Platform) -> int:
        letters = iterate_list(
            lambda size, cursor: platform.search.dead_letters(wanted, limit=size, cursor=cursor), limit
        )
        if not as_json:
            now = platform.clock.now()
            await print_table(_HEADERS, (_row(letter, now) async for letter in letters))
            return 0
        with LineOutput() as output:
            async for letter in letters:
                output.write(encode(DeadLetterView.of(letter)).decode())
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@dead_letters_command.command()
@config_option
@click.argument("letter_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write only the bytes of the message, unchanged.")
def show(config_path: Path | None, letter_id: str, raw: bool) -> None:
    """Print a dead letter in full, as JSON."""

    async def use(platform: Platform) -> int:
        letter = await _letter(platform, letter_id)
        if raw and letter.raw is None:
            raise StateConflict(f"dead letter {letter_id} is a task and has no message; leave out --raw")
        if raw:
            sys.stdout.buffer.write(letter.raw or b"")
            return 0
        click.echo(pretty(DeadLetterDetail.of_letter(letter)))
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@dead_letters_command.command()
@config_option
@click.argument("ids", metavar="[ID...]", nargs=-1)
@_letter_filter_options
@bulk_action_options
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="N",
    help="Spread the tasks: N become due per second.",
)
@click.option(
    "--stop-at",
    type=click.FloatRange(0, 100),
    metavar="PERCENT",
    help="Requeue in waves and stop when more than this percentage fails again. Needs --rate.",
)
def requeue(
    config_path: Path | None,
    ids: tuple[str, ...],
    rate: float | None,
    stop_at: float | None,
    **given: tuple[str, ...],
) -> None:
    """Requeue dead letters, by id or by conditions. Tasks keep their history."""
    if stop_at is not None and rate is None:
        raise click.UsageError("--stop-at needs --rate, which sets the size of a wave")
    selection = read_bulk_selection(given, ids=ids)
    if ids and stop_at is not None:
        raise click.UsageError("--stop-at is for conditions or --all; leave it out with ids")

    async def use(platform: Platform, changed: Change) -> int:
        if ids:
            return await _requeue_ids(platform, ids, changed, rate=rate, dry_run=selection.dry_run)
        if rate is not None and stop_at is not None and not selection.dry_run:
            return await _requeue_in_waves(platform, selection, changed, rate, stop_at)
        counts = await run_bulk_action(
            lambda size, cursor: platform.bulk_actions.requeue(
                selection.filter, limit=size, cursor=cursor, dry_run=selection.dry_run, rate=rate
            ),
            selection,
            changed,
            rate=rate,
        )
        return print_counts("requeued", counts, selection)

    _change(config_path, use, "dead-letters.requeue", selection)


@dead_letters_command.command()
@config_option
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def delete(config_path: Path | None, ids: tuple[str, ...]) -> None:
    """Delete dead letters by id. A failed task is deleted with its result and history."""

    async def use(platform: Platform, changed: Change) -> int:
        async def delete_one(letter_id: str) -> str:
            await platform.bulk_actions.purge_one(letter_id)
            return "deleted"

        return await act_on_ids(ids, delete_one, changed)

    raise SystemExit(run(change(load(config_path), use, "dead-letters.delete", ids_target(ids))))


@dead_letters_command.command()
@config_option
@_letter_filter_options
@bulk_action_options
def purge(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Delete all dead letters that match conditions."""
    selection = read_bulk_selection(given)

    async def use(platform: Platform, changed: Change) -> int:
        counts = await run_bulk_action(
            lambda size, cursor: platform.bulk_actions.purge(
                selection.filter, limit=size, cursor=cursor, dry_run=selection.dry_run
            ),
            selection,
            changed,
        )
        return print_counts("deleted", counts, selection)

    _change(config_path, use, "dead-letters.purge", selection)


def _change(
    config_path: Path | None,
    use: Callable[[Platform, Change], Awaitable[int]],
    action: str,
    selection: BulkSelection,
) -> NoReturn:
    done = change(load(config_path), use, action, selection.target, dry_run=selection.dry_run)
    raise SystemExit(run(done))


async def _letter(platform: Platform, letter_id: str) -> DeadLetter:
    letter = await platform.store.dead_letter(letter_id)
    if letter is None:
        raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
    return letter


async def _requeue_ids(
    platform: Platform, ids: tuple[str, ...], changed: Change, *, rate: float | None, dry_run: bool
) -> int:
    first = platform.clock.now()
    requeued = 0

    async def requeue_one(letter_id: str) -> str:
        nonlocal requeued
        if dry_run:
            await _letter(platform, letter_id)
            return "would be requeued"
        due = None if rate is None else first + timedelta(seconds=requeued / rate)
        task_id = await platform.requeue.requeue(letter_id, due=due)
        requeued += 1
        return f"requeued as {task_id}"

    return await act_on_ids(ids, requeue_one, changed)


async def _requeue_in_waves(
    platform: Platform, selection: BulkSelection, changed: Change, rate: float, stop_at: float
) -> int:
    gradual_requeue = GradualRequeue(platform.bulk_actions, platform.store, stop_at=stop_at)
    result = await gradual_requeue.run(selection.filter, rate=rate, limit=selection.limit)
    changed.add(result.requeued)
    click.echo(f"{result.requeued} of {result.matched} requeued")
    click.echo(f"{result.ended} of them have ended, {result.failed} failed again", err=True)
    if result.stopped:
        click.echo(f"taskrunner: stopped, more than {stop_at:g} % failed again", err=True)
    return int(result.stopped)


def _row(letter: DeadLetter, now: datetime) -> Sequence[str]:
    url = masked_url(letter.url or "-")
    return (
        letter.id,
        letter.kind.value,
        duration_text((now - letter.died_at).total_seconds()),
        letter.reason,
        f"{url} ({letter.error})" if letter.error else url,
    )
