"""A store with something of a test's own around one of its methods."""

from collections.abc import Awaitable, Callable
from typing import Any, cast

from taskrunner.stores.base import Store

After = Callable[[Any], Awaitable[object]]


class _Interposed:
    def __init__(self, store: Store, method: str, after: After) -> None:
        self._store = store
        self._method = method
        self._after = after

    def __getattr__(self, name: str) -> Any:
        target = getattr(self._store, name)
        if name != self._method:
            return target

        async def call(*args: Any, **kwargs: Any) -> Any:
            answer = await target(*args, **kwargs)
            await self._after(answer)
            return answer

        return call


def interposed(store: Store, method: str, after: After) -> Store:
    """`store`, but `after` is run with the answer of each call of `method`, before the caller gets it."""
    return cast(Store, _Interposed(store, method, after))
