"""The reader hands on what a blocking source gives: slowly line by line, quickly in batches."""

import threading
from collections.abc import Iterator

import pytest

from taskrunner.runtime.thread_reader import ThreadReader


async def test_everything_comes_once_and_in_order() -> None:
    """A fast source comes in batches of the size that was asked for."""
    reader = ThreadReader(range(1000), batch=64, ahead=128)
    batches = [batch async for batch in reader.batches()]
    assert [item for batch in batches for item in batch] == list(range(1000))
    assert max(map(len, batches)) <= 64


async def test_a_slow_source_is_not_waited_for() -> None:
    """The first item is handed on although the second has not come."""
    gate = threading.Event()

    def source() -> Iterator[int]:
        yield 1
        assert gate.wait(10)
        yield 2

    batches = ThreadReader(source(), batch=500, ahead=1000).batches()
    assert await anext(batches) == [1]
    gate.set()
    assert await anext(batches) == [2]
    with pytest.raises(StopAsyncIteration):
        await anext(batches)


async def test_a_source_that_breaks_is_told_after_what_came_before() -> None:
    """Nothing that was read is dropped."""

    def source() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    seen: list[int] = []

    async def read() -> None:
        async for batch in ThreadReader(source(), batch=5, ahead=10).batches():
            seen.extend(batch)

    with pytest.raises(OSError, match="disk"):
        await read()
    assert seen == [1]


async def test_an_empty_source_ends_at_once() -> None:
    """There is no batch without items."""
    nothing: list[int] = []
    assert [batch async for batch in ThreadReader(nothing, batch=5, ahead=10).batches()] == []
