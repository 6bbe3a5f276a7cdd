"""A store whose line to one process can be cut at an exact call: before it takes effect, or after."""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Any, cast

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.stores.base import Store


class Cut(StrEnum):
    """Where a call is cut: the write never happened, or nobody heard that it did."""

    BEFORE = "before"
    AFTER = "after"


class Severable:
    """Passes every call on to the real store until the cut; from then on the store is away for good.

    That is how a killed process looks to everybody else: nothing more comes from it.
    """

    def __init__(self, store: Store, method: str | None = None, cut: Cut = Cut.BEFORE) -> None:
        self._store = store
        self._method = method
        self._cut = cut
        self.cut_off = asyncio.Event()
        self.refused: list[str] = []  # the methods of the calls that did not get through

    @property
    def severed(self) -> bool:
        return self.cut_off.is_set()

    def sever(self) -> None:
        """Cut the line now."""
        self.cut_off.set()

    def mend(self) -> None:
        """Let all calls through again."""
        self._method = None
        self.cut_off.clear()

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._store, name)
        if name in ("start", "stop", "status", "wait_ready"):
            return target
        return self._passing(name, target)

    def _passing(self, name: str, target: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            ours = name == self._method
            if self.severed or (ours and self._cut is Cut.BEFORE):
                self.sever()
                self.refused.append(name)
                raise StoreUnavailable("severed by a test")
            answer = await target(*args, **kwargs)
            if ours:
                self.sever()
                raise StoreUnavailable("severed by a test")
            return answer

        return call


def severable(store: Store, method: str | None = None, cut: Cut = Cut.BEFORE) -> tuple[Store, Severable]:
    """The same object twice: as the store it stands for, and as the thing that cuts."""
    line = Severable(store, method, cut)
    return cast(Store, line), line
