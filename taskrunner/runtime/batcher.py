"""Gathers the items that arrive during a commit, and commits them as the next group."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Group commit: one commit at a time, of all items that wait, up to `limit`.

    `commit` gets the items in order and returns one answer per item. When it raises, every item of the group
    raises the same error. `limit` bounds a commit, not the items that wait. For one event loop only.

    Two commits start at least `spacing` seconds apart. A lone item goes at once, a stream in larger
    groups, since a commit of ten items costs little more than a commit of one. With `only_streams` the
    spacing begins with a group of several items: who submits one item after the other never waits.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        limit: int,
        spacing: float = 0.0,
        only_streams: bool = False,
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._spacing = spacing
        self._only_streams = only_streams
        self._is_stream = not only_streams
        self._next_start = 0.0
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._runner: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> "asyncio.Future[Answer]":
        """A future of the answer for `item`. Cancelling the future does not withdraw the item."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Answer] = loop.create_future()
        self._waiting.append((item, future))
        if self._runner is None:
            self._runner = loop.create_task(self._run())
        return future

    async def drain(self) -> None:
        """Wait until everything submitted so far is committed or has failed."""
        while self._runner is not None:
            await asyncio.wait([self._runner])

    async def _run(self) -> None:
        try:
            while self._waiting:
                if self._spacing:
                    await self._space()
                group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                if self._only_streams:
                    self._is_stream = len(group) > 1
                await self._commit_group(group)
        finally:
            self._runner = None
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    async def _space(self) -> None:
        loop = asyncio.get_running_loop()
        early = self._next_start - loop.time()
        if early > 0 and self._is_stream:
            await asyncio.sleep(early)
        self._next_start = loop.time() + self._spacing

    async def _commit_group(self, group: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._commit([item for item, _ in group])
            answered = list(zip(group, answers, strict=True))
        except Exception as exc:  # noqa: BLE001 - raised by the futures of the group
            for _, future in group:
                if not future.done():
                    future.set_exception(exc)
            return
        except BaseException:
            for _, future in group:
                future.cancel()
            raise
        for (_, future), answer in answered:
            if not future.done():
                future.set_result(answer)
