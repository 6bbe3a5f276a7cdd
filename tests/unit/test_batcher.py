"""The batcher commits one group at a time, in order, and hands every fault to those it concerns."""

import asyncio
from collections.abc import Sequence

import pytest

from taskrunner.runtime.batcher import Batcher
from tests.tools.waiting import in_time


class Recorder:
    """A commit that waits for permission, and notes the groups it was given."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.go = asyncio.Event()
        self.go.set()

    async def commit(self, items: Sequence[int]) -> Sequence[int]:
        self.groups.append(list(items))
        await self.go.wait()
        if 13 in items:
            raise ValueError("unlucky")
        return [item * 10 for item in items]


async def test_items_of_one_turn_are_one_group() -> None:
    """What is submitted together is committed together, and each gets its own answer."""
    recorder = Recorder()
    batcher = Batcher(recorder.commit, limit=10)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(3))) == [0, 10, 20]
    assert recorder.groups == [[0, 1, 2]]


async def test_what_arrives_during_a_commit_is_the_next_group() -> None:
    """There is never more than one commit under way."""
    recorder = Recorder()
    recorder.go.clear()
    batcher = Batcher(recorder.commit, limit=10)
    first = batcher.submit(1)
    await asyncio.sleep(0)
    rest = [batcher.submit(n) for n in (2, 3)]
    await asyncio.sleep(0)
    assert recorder.groups == [[1]]
    recorder.go.set()
    assert await asyncio.gather(first, *rest) == [10, 20, 30]
    assert recorder.groups == [[1], [2, 3]]


async def test_a_group_is_no_larger_than_the_limit() -> None:
    """A flood is committed in slices."""
    recorder = Recorder()
    batcher = Batcher(recorder.commit, limit=2)
    await asyncio.gather(*(batcher.submit(n) for n in range(5)))
    assert [len(group) for group in recorder.groups] == [2, 2, 1]


async def test_a_fault_reaches_its_group_and_no_other() -> None:
    """The batcher goes on after a commit that raised."""
    batcher = Batcher(Recorder().commit, limit=1)
    answers = await asyncio.gather(batcher.submit(13), batcher.submit(2), return_exceptions=True)
    assert isinstance(answers[0], ValueError)
    assert answers[1] == 20


async def test_giving_up_an_answer_does_not_harm_its_neighbours() -> None:
    """A caller that went away, as a client of the API may, leaves the rest of the group alone."""
    recorder = Recorder()
    recorder.go.clear()
    batcher = Batcher(recorder.commit, limit=10)
    gone, stays = batcher.submit(1), batcher.submit(2)
    await asyncio.sleep(0)
    gone.cancel()
    recorder.go.set()
    assert await stays == 20
    assert recorder.groups == [[1, 2]]


async def test_drain_waits_for_everything_submitted() -> None:
    """After drain nothing is under way."""
    recorder = Recorder()
    batcher = Batcher(recorder.commit, limit=1)
    futures = [batcher.submit(n) for n in range(3)]
    await batcher.drain()
    assert all(future.done() for future in futures)


async def test_an_answer_too_few_is_a_fault() -> None:
    """A commit must answer every item: a missing answer would hang its caller."""

    async def short(_items: Sequence[int]) -> Sequence[int]:
        return []

    batcher = Batcher(short, limit=10)
    with pytest.raises(ValueError, match="zip"):
        async with in_time("the submit fails"):
            await batcher.submit(1)


async def test_who_submits_one_after_the_other_never_waits() -> None:
    """Only a group of several items is the sign of a stream."""
    batcher = Batcher(Recorder().commit, limit=10, spacing=3600.0, only_streams=True)
    async with in_time("three commits"):
        for number in range(3):
            assert await batcher.submit(number) == 10 * number


async def test_a_stream_is_spaced() -> None:
    """After a group of several items, the next one waits for more."""
    recorder = Recorder()
    batcher = Batcher(recorder.commit, limit=10, spacing=3600.0, only_streams=True)
    await asyncio.gather(batcher.submit(1), batcher.submit(2))
    late = batcher.submit(3)
    for _ in range(10):
        await asyncio.sleep(0)
    assert recorder.groups == [[1, 2]]
    late.cancel()
