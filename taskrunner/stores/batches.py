"""Batches are cut into parts that one statement or script can carry."""

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

Item = TypeVar("Item")


def cut(
    items: Sequence[Item], size: Callable[[Item], int], *, item_limit: int, byte_limit: int
) -> Iterator[Sequence[Item]]:
    """`items` in parts of at most `item_limit`, and of at most `byte_limit` unless one item is larger."""
    first, room = 0, byte_limit
    for position, item in enumerate(items):
        room -= size(item)
        if position > first and (room < 0 or position - first == item_limit):
            yield items[first:position]
            first, room = position, byte_limit - size(item)
    if first < len(items):
        yield items[first:]
