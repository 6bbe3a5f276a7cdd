"""Lists: for people a header, aligned columns, and lines that fit the terminal; else lines of JSON."""

import shutil
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from typing import TypeVar

from taskrunner.cli.streams import LineOutput
from taskrunner.domain.codec import encode

Item = TypeVar("Item")

# Rows whose widths decide those of the columns.
_MEASURED = 500
_GAP = " "


async def print_list(
    items: AsyncIterator[Item],
    headers: Sequence[str],
    row: Callable[[Item], Sequence[str]],
    view: Callable[[Item], object],
    *,
    as_json: bool,
) -> int:
    """Print items as rows or, each by its view, as lines of JSON. Returns the exit code.

    Raises `OutputClosed` when the reader goes away.
    """
    if as_json:
        return await print_lines(items, view)
    await print_table(headers, (row(item) async for item in items))
    return 0


async def print_lines(items: AsyncIterator[Item], view: Callable[[Item], object]) -> int:
    """As `print_list`, always as JSON."""
    with LineOutput() as output:
        async for item in items:
            output.write(encode(view(item)).decode())
    return 0


async def print_table(headers: Sequence[str], rows: AsyncIterator[Sequence[str]]) -> None:
    """Print rows below a header; the last column is cut where the terminal ends: $COLUMNS, its width, or 80.

    Raises `OutputClosed` when the reader goes away.
    """
    waiting: list[Sequence[str]] = []
    widths: list[int] | None = None
    with LineOutput() as output:
        async for row in rows:
            waiting.append(row)
            if len(waiting) == _MEASURED:
                widths = _print(output, headers, waiting, widths)
                waiting = []
        if waiting or widths is None:
            _print(output, headers, waiting, widths)


async def each_of(items: Iterable[Item]) -> AsyncIterator[Item]:
    """Items that are there already."""
    for item in items:
        yield item


def _print(
    output: LineOutput, headers: Sequence[str], rows: Sequence[Sequence[str]], widths: list[int] | None
) -> list[int]:
    if widths is None:
        widths = [max(map(len, column)) for column in zip(headers, *rows, strict=True)]
        output.write(_line(headers, widths))
    for row in rows:
        output.write(_line(row, widths))
    return widths


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    *cells, last = row
    start = _GAP.join([cell.ljust(width) for cell, width in zip(cells, widths, strict=False)])
    room = shutil.get_terminal_size().columns - len(start) - len(_GAP)
    return f"{start}{_GAP}{_cut(last, room)}".rstrip()


def _cut(text: str, room: int) -> str:
    """`text` on one line, with at most `room` characters."""
    plain = " ".join(text.split())
    return plain if len(plain) <= room else f"{plain[: max(0, room - 1)]}…"[: max(0, room)]
