"""A batcher gathers what arrives while the last commit is under way and commits it as one group."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Group commit: one commit at a time, each of everything that waited, up to `limit` items.

    `commit` gets the items in order and answers one value per item; when it raises, every item of that
    group raises the same. Only for one event loop; `limit` bounds a single commit, not what may wait.

    Between the starts of two commits there are at least `spacing` seconds: a lone item goes at once, a
    stream makes larger groups, since a commit of ten costs little more than a commit of one.
    """

    def __init__(
        self,
        commit: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]],
        *,
        limit: int,
        spacing: float = 0.0,
    ) -> None:
        self._commit = commit
        self._limit = limit
        self._spacing = spacing
        self._next_start = 0.0
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._runner: asyncio.Task[None] | None = None

    def submit(self, item: Item) -> "asyncio.Future[Answer]":
        """A future with the answer for `item`. Giving the future up does not take the item back."""
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
                await self._space()
                group, self._waiting = self._waiting[: self._limit], self._waiting[self._limit :]
                await self._commit_group(group)
        finally:
            self._runner = None
            for _, future in self._waiting:
                future.cancel()
            self._waiting.clear()

    async def _space(self) -> None:
        loop = asyncio.get_running_loop()
        early = self._next_start - loop.time()
        if early > 0:
            await asyncio.sleep(early)
        self._next_start = loop.time() + self._spacing

    async def _commit_group(self, group: list[tuple[Item, "asyncio.Future[Answer]"]]) -> None:
        try:
            answers = await self._commit([item for item, _ in group])
            answered = list(zip(group, answers, strict=True))
        except Exception as exc:  # noqa: BLE001 - handed on to whoever waits for the items
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
