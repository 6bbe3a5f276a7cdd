"""What the commands on many tasks share: options, paging, the loop over batches and the printed count."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

import click

from taskrunner.cli.errors import PARTLY_DONE
from taskrunner.cli.options import task_filter
from taskrunner.domain.audit import conditions_target, ids_target
from taskrunner.domain.task_filter import TaskFilter
from taskrunner.domain.value import Value
from taskrunner.producer.audit_trail import Change
from taskrunner.producer.bulk_actions import BulkResult
from taskrunner.stores.base import Page

Item = TypeVar("Item")

_PAGE = 500


class BulkSelection(Value):
    """The tasks or dead letters to act on; a `limit` of None is all that match. `target` is for the audit."""

    filter: TaskFilter
    limit: int | None
    dry_run: bool
    target: str


def bulk_action_options(function: Any) -> Any:
    """`--all`, `--limit` and `--dry-run`; `read_bulk_selection` reads them."""
    everything = click.option("--all", "everything", is_flag=True, help="Select everything.")
    limit = click.option("--limit", type=click.IntRange(min=1), help="Act on at most this many.")
    dry_run = click.option("--dry-run", is_flag=True, help="Only print how many would be affected.")
    return everything(limit(dry_run(function)))


def read_bulk_selection(given: Mapping[str, Any], *, ids: Collection[str] | None = None) -> BulkSelection:
    """What the options select. Acting on everything needs an explicit --all. Raises `FilterInvalid`.

    `ids`: the ids given to a command that accepts ids instead of conditions.
    """
    rest = dict(given)
    limit, dry_run, everything = rest.pop("limit"), rest.pop("dry_run"), rest.pop("everything")
    selected = task_filter(rest)
    if ids and limit is not None:
        raise click.UsageError("--limit is for conditions or --all; give fewer ids")
    if bool(ids) + everything + (not selected.is_empty) != 1:
        kinds = "conditions or --all" if ids is None else "ids, conditions or --all"
        raise click.UsageError(f"give exactly one of: {kinds}")
    target = ids_target(ids) if ids else _target(rest, limit)
    return BulkSelection(filter=selected, limit=limit, dry_run=dry_run, target=target)


def _target(conditions: Mapping[str, Sequence[str]], limit: int | None) -> str:
    given = [(name, text) for name, texts in conditions.items() for text in texts] or [("all", "true")]
    return conditions_target([*given, *([] if limit is None else [("limit", str(limit))])])


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


async def run_bulk_action(
    step: Callable[[int, str | None], Awaitable[BulkResult]],
    selection: BulkSelection,
    change: Change,
    *,
    rate: float | None = None,
) -> tuple[int, int]:
    """Run `step` for each batch; returns how many matched and how many were changed.

    With `rate`, waits until the batch has become due before the next one.
    """
    matched = done = 0
    cursor: str | None = None
    change.add(0)
    while selection.limit is None or matched < selection.limit:
        size = _PAGE if selection.limit is None else min(_PAGE, selection.limit - matched)
        result = await step(size, cursor)
        matched, done, cursor = matched + result.matched, done + len(result.ids), result.cursor
        change.add(len(result.ids))
        if cursor is None:
            break
        if rate is not None and not selection.dry_run:
            await asyncio.sleep(result.matched / rate)
    return matched, done


def print_counts(verb: str, counts: tuple[int, int], selection: BulkSelection) -> int:
    """Print the counts; returns the exit code: `PARTLY_DONE` unless all that matched were changed."""
    matched, done = counts
    if selection.dry_run:
        click.echo(f"{matched} would be {verb}")
        return 0
    click.echo(f"{done} of {matched} {verb}")
    return PARTLY_DONE if done < matched else 0
