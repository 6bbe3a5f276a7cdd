"""`taskrunner dead-letters`: what failed for good, and what nobody could read."""

import sys
from pathlib import Path

import click

from taskrunner.api.views.dead_letter import DeadLetterDetail, DeadLetterView
from taskrunner.api.views.view import pretty
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.bulk_action_options import (
    Choice,
    bulk_action_options,
    bulk_actions,
    chosen,
    listed,
    print_result,
)
from taskrunner.cli.group import Group
from taskrunner.cli.options import conditions, config_option, selection
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.record import DeadLetter
from taskrunner.domain.task_filter import LETTER_CONDITIONS
from taskrunner.producer.gradual_requeue import GradualRequeue

_conditions = conditions(LETTER_CONDITIONS)


@click.group(cls=Group, name="dead-letters")
def command() -> None:
    """Look after failed tasks, and messages that were no task."""


@command.command(name="list")
@config_option
@_conditions
@click.option("--limit", type=click.IntRange(min=1), help="Print no more than this many.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
def list_letters(
    config_path: Path | None, limit: int | None, as_json: bool, **given: tuple[str, ...]
) -> None:
    """Print dead letters, the latest first."""
    wanted = selection(given)

    async def use(platform: Platform) -> int:
        async for letter in listed(
            lambda size, cursor: platform.search.dead_letters(wanted, limit=size, cursor=cursor), limit
        ):
            sys.stdout.write(_line(letter, as_json=as_json) + "\n")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@command.command()
@config_option
@click.argument("letter_id", metavar="ID")
@click.option("--raw", is_flag=True, help="Write the message's bytes as they came, and nothing else.")
def show(config_path: Path | None, letter_id: str, raw: bool) -> None:
    """Print all that is known of a dead letter, as JSON."""

    async def use(platform: Platform) -> int:
        letter = await platform.store.dead_letter(letter_id)
        if letter is None:
            raise TaskUnknown(f"no dead letter has the id {letter_id!r}")
        if raw:
            sys.stdout.buffer.write(letter.raw or b"")
            return 0
        click.echo(pretty(DeadLetterDetail.of_letter(letter)))
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@command.command()
@config_option
@click.argument("ids", metavar="[ID...]", nargs=-1)
@_conditions
@bulk_action_options
@click.option("--rate", type=click.FloatRange(min=0, min_open=True), help="Let so many a second become due.")
@click.option(
    "--stop-at",
    type=click.FloatRange(0, 100),
    help="Stop when more than this percentage fails again; needs --rate, and takes its time.",
)
def requeue(
    config_path: Path | None,
    ids: tuple[str, ...],
    rate: float | None,
    stop_at: float | None,
    **given: tuple[str, ...],
) -> None:
    """Let dead letters go on, by id or all that meet conditions. Their history is kept."""
    if stop_at is not None and rate is None:
        raise click.UsageError("--stop-at needs --rate: how fast to go until then")
    choice = chosen(given, ids=ids)

    async def use(platform: Platform) -> int:
        for letter_id in ids:
            click.echo(f"{letter_id} requeued as {await platform.requeue.requeue(letter_id)}")
        if ids:
            return 0
        if rate is not None and stop_at is not None and not choice.dry_run:
            return await _roll_out(platform, choice, rate, stop_at)
        counts = await bulk_actions(
            lambda size, cursor: platform.bulk_actions.requeue(
                choice.selection, limit=size, cursor=cursor, dry_run=choice.dry_run, rate=rate
            ),
            choice,
            rate=rate,
        )
        return print_result("requeued", counts, choice)

    raise SystemExit(run(operate(load(config_path), use)))


@command.command()
@config_option
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
def delete(config_path: Path | None, ids: tuple[str, ...]) -> None:
    """Delete dead letters by id; a failed task with all that is known of it."""

    async def use(platform: Platform) -> int:
        for letter_id in ids:
            await platform.bulk_actions.purge_one(letter_id)
            click.echo(f"{letter_id} deleted")
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@command.command()
@config_option
@_conditions
@bulk_action_options
def purge(config_path: Path | None, **given: tuple[str, ...]) -> None:
    """Delete all dead letters that meet conditions."""
    choice = chosen(given)

    async def use(platform: Platform) -> int:
        counts = await bulk_actions(
            lambda size, cursor: platform.bulk_actions.purge(
                choice.selection, limit=size, cursor=cursor, dry_run=choice.dry_run
            ),
            choice,
        )
        return print_result("deleted", counts, choice)

    raise SystemExit(run(operate(load(config_path), use)))


async def _roll_out(platform: Platform, choice: Choice, rate: float, stop_at: float) -> int:
    gradual_requeue = GradualRequeue(platform.bulk_actions, platform.store, stop_at=stop_at)
    rolled = await gradual_requeue.run(choice.selection, rate=rate, limit=choice.limit)
    click.echo(f"{rolled.requeued} of {rolled.matched} requeued")
    click.echo(f"{rolled.ended} of them have ended, {rolled.failed} failed again", err=True)
    if rolled.stopped:
        click.echo(f"taskrunner: stopped, more than {stop_at:g} % fail again", err=True)
    return int(rolled.stopped)


def _line(letter: DeadLetter, *, as_json: bool) -> str:
    if as_json:
        return encode(DeadLetterView.of(letter)).decode()
    died = letter.died_at.isoformat(timespec="seconds")
    words = [letter.id, letter.kind.value, died, letter.reason, letter.url or "-"]
    return " ".join([*words, *([f"({letter.error})"] if letter.error else [])])
