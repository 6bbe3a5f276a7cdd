"""`taskrunner dead-letters`: failed tasks and unreadable messages."""

import sys
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import click

from taskrunner.api.views.dead_letter import DeadLetterDetail, DeadLetterView
from taskrunner.api.views.view import pretty
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.bulk_actions import bulk_action_options, iterate_list, read_draft, run_operation
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.ids import act_on_ids
from taskrunner.cli.options import config_option, filter_options, json_option, limit_option, task_filter
from taskrunner.cli.table import print_list
from taskrunner.config import load
from taskrunner.domain.duration import duration_text
from taskrunner.domain.errors import StateConflict, TaskUnknown
from taskrunner.domain.keys.audit import ids_target
from taskrunner.domain.masking import masked_url
from taskrunner.domain.operations.bulk_operation import OperationAction, Resource
from taskrunner.domain.operations.bulk_operation_draft import StopAtDraft
from taskrunner.domain.tasks.record import DeadLetter
from taskrunner.domain.tasks.task_filter import LETTER_CONDITIONS
from taskrunner.producer.audit_trail import Change

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
        row = partial(_row, now=platform.clock.now())
        return await print_list(letters, _HEADERS, row, DeadLetterView.of, as_json=as_json)

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
    "--stop-at",
    metavar="N|N%",
    help="Stop when more than N, or N% of those that ended, fail again. Needs --rate.",
)
def requeue(
    config_path: Path | None,
    ids: tuple[str, ...],
    stop_at: str | None,
    detach: bool,
    **given: Any,
) -> None:
    """Requeue dead letters, by id or by conditions. Tasks keep their history."""
    if stop_at is not None and given["rate"] is None:
        raise click.UsageError("--stop-at needs --rate, which sets how many are requeued at a time")
    draft = read_draft(
        OperationAction.REQUEUE,
        given,
        resource=Resource.DEAD_LETTERS,
        ids=ids,
        stop_at=None if stop_at is None else _read_stop_at(stop_at),
    )
    if draft.ids is None or draft.rate is not None or detach:
        run_operation(config_path, draft, "requeued", detach=detach)

    async def use(platform: Platform, changed: Change) -> int:
        async def requeue_one(letter_id: str) -> str:
            if draft.dry_run:
                await _letter(platform, letter_id)
                return "would be requeued"
            return f"requeued as {await platform.requeue.requeue(letter_id)}"

        return await act_on_ids(ids, requeue_one, changed)

    raise SystemExit(
        run(change(load(config_path), use, "dead-letters.requeue", ids_target(ids), dry_run=draft.dry_run))
    )


@dead_letters_command.command()
@config_option
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def delete(config_path: Path | None, ids: tuple[str, ...]) -> None:
    """Delete dead letters by id. A failed task is deleted with its result and history."""

    async def use(platform: Platform, changed: Change) -> int:
        async def delete_one(letter_id: str) -> str:
            await platform.bulk_actions.delete_letter(letter_id)
            return "deleted"

        return await act_on_ids(ids, delete_one, changed)

    raise SystemExit(run(change(load(config_path), use, "dead-letters.delete", ids_target(ids))))


@dead_letters_command.command()
@config_option
@_letter_filter_options
@bulk_action_options
def purge(config_path: Path | None, detach: bool, **given: Any) -> None:
    """Delete all dead letters that match conditions."""
    draft = read_draft(OperationAction.DELETE, given, resource=Resource.DEAD_LETTERS)
    run_operation(config_path, draft, "deleted", detach=detach)


def _read_stop_at(text: str) -> StopAtDraft:
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        return StopAtDraft(percent=float(number)) if percent else StopAtDraft(failures=int(number))
    except ValueError:
        raise click.UsageError(
            f"--stop-at: must be a number of failures such as 50, or a percentage such as 20%, got {text!r}"
        ) from None


async def _letter(platform: Platform, letter_id: str) -> DeadLetter:
    letter = await platform.store.dead_letter(letter_id)
    if letter is None:
        raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
    return letter


def _row(letter: DeadLetter, now: datetime) -> Sequence[str]:
    url = masked_url(letter.url or "-")
    return (
        letter.id,
        letter.kind.value,
        duration_text((now - letter.died_at).total_seconds()),
        letter.reason,
        f"{url} ({letter.error})" if letter.error else url,
    )
