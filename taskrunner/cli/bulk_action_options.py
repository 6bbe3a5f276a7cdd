"""What the commands for many tasks share: the choice, the loop over its parts, and the count at its end."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from taskrunner.cli.options import selection
from taskrunner.domain.task_filter import TaskFilter
from taskrunner.producer.bulk_actions import BulkResult
from taskrunner.stores.base import Page

Item = TypeVar("Item")

_PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What something is to be done to; `limit` of None is all of it."""

    selection: TaskFilter
    limit: int | None
    dry_run: bool


def bulk_action_options(function: Any) -> Any:
    """`--all`, `--limit` and `--dry-run`; see `chosen`."""
    everything = click.option("--all", "everything", is_flag=True, help="All there are, without conditions.")
    limit = click.option("--limit", type=click.IntRange(min=1), help="Do it to no more than this many.")
    dry_run = click.option("--dry-run", is_flag=True, help="Only count what it would be done to.")
    return everything(limit(dry_run(function)))


def chosen(given: Mapping[str, Any], *, ids: Collection[str] | None = None) -> Choice:
    """The choice of a command's options; no condition at all must be meant. Raises `FilterInvalid`.

    `ids`: of a command that takes these instead, what it was given.
    """
    rest = dict(given)
    limit, dry_run, everything = rest.pop("limit"), rest.pop("dry_run"), rest.pop("everything")
    wanted = selection(rest)
    if bool(ids) + everything + (not wanted.is_empty) != 1:
        instead = "" if ids is None else "ids, or "
        raise click.UsageError(f"give {instead}conditions, or --all for everything: one of them")
    return Choice(selection=wanted, limit=limit, dry_run=dry_run)


async def listed(
    read: Callable[[int, str | None], Awaitable[Page[Item]]], limit: int | None
) -> AsyncIterator[Item]:
    """Every item of a list, page by page, up to `limit`."""
    left, cursor = limit, None
    while left is None or left > 0:
        page = await read(_PAGE if left is None else min(_PAGE, left), cursor)
        for item in page.items:
            yield item
        left = None if left is None else left - len(page.items)
        cursor = page.cursor
        if cursor is None:
            return


async def bulk_actions(
    step: Callable[[int, str | None], Awaitable[BulkResult]], choice: Choice, *, rate: float | None = None
) -> tuple[int, int]:
    """Take all steps; answers how many were chosen and to how many it was done.

    With `rate`, what one step has spaced out is waited for before the next.
    """
    matched = done = 0
    cursor: str | None = None
    while choice.limit is None or matched < choice.limit:
        size = _PAGE if choice.limit is None else min(_PAGE, choice.limit - matched)
        result = await step(size, cursor)
        matched, done, cursor = matched + result.matched, done + len(result.ids), result.cursor
        if cursor is None:
            break
        if rate is not None and not choice.dry_run:
            await asyncio.sleep(result.matched / rate)
    return matched, done


def print_result(verb: str, counts: tuple[int, int], choice: Choice) -> int:
    """Tell the counts; answers the exit code: 1 where it was not done to all."""
    matched, done = counts
    if choice.dry_run:
        click.echo(f"{matched} would be {verb}")
        return 0
    click.echo(f"{done} of {matched} {verb}")
    return int(done < matched)
