"""Dependencies: what handlers share, such as a connection pool, opened once per worker process."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from typing import Generic, TypeVar, cast

Value = TypeVar("Value")
_CLOSED = object()


class DependencyClosed(RuntimeError):
    """`get` was called where nothing is open, such as while a module is imported."""


class Dependency(Generic[Value]):
    """`make` returns a context manager, sync or async; `get` what that has opened.

    An async one is opened on the loop on which the process runs its `async def` handlers.
    """

    def __init__(
        self,
        make: Callable[[], AbstractContextManager[Value] | AbstractAsyncContextManager[Value]],
        *,
        name: str | None = None,
    ) -> None:
        self.name = name or getattr(make, "__name__", type(make).__name__)
        self._make = make
        self._manager: AbstractContextManager[Value] | AbstractAsyncContextManager[Value] | None = None
        self._value: object = _CLOSED

    def get(self) -> Value:
        """Raises `DependencyClosed`."""
        if self._value is _CLOSED:
            raise DependencyClosed(
                f"the dependency {self.name} is not open: call get() in a handler, not where a module is "
                "imported"
            )
        return cast(Value, self._value)

    @property
    def is_open(self) -> bool:
        return self._value is not _CLOSED

    async def open(self) -> None:
        """On the loop of the handlers. A sync one may block: it is opened in a thread."""
        manager = self._make()
        if isinstance(manager, AbstractAsyncContextManager):
            self._value = await manager.__aenter__()
        else:
            self._value = await asyncio.to_thread(manager.__enter__)
        self._manager = manager

    async def close(self) -> None:
        manager, self._manager, self._value = self._manager, None, _CLOSED
        if isinstance(manager, AbstractAsyncContextManager):
            await manager.__aexit__(None, None, None)
        elif manager is not None:
            await asyncio.to_thread(manager.__exit__, None, None, None)

    def forget(self) -> None:
        """Open it again next time, without closing it: its loop is blocked."""
        self._manager, self._value = None, _CLOSED

    def replace(self, value: Value) -> None:
        """Use `value` instead of opening anything: for tests."""
        self._value = value
