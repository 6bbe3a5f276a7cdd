"""A proxy on a thread of its own, for tests and campaigns that have no event loop."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, Self

from tests.tools.proxy import Mode, Proxy
from tests.tools.waiting import PATIENCE


class Link:
    """Stands before a server on this machine; every change takes effect before the call returns."""

    def __init__(self, port: int) -> None:
        self._target_port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"link-{port}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._proxy = self._run(self._open())
        self.port = self._proxy.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._proxy.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()

    def set_mode(self, mode: Mode) -> None:
        self._do(lambda proxy: setattr(proxy, "mode", mode))

    def slow(self, *, delay: float, jitter: float = 0.0, slice_bytes: int = 65_536) -> None:
        """Seconds per chunk, and the size of chunks; `slow(delay=0)` ends it."""

        def change(proxy: Proxy) -> None:
            proxy.delay, proxy.jitter, proxy.slice_bytes = delay, jitter, slice_bytes

        self._do(change)

    def reset(self) -> None:
        self._do(lambda proxy: proxy.reset())

    def cut_after(self, size_bytes: int) -> None:
        self._do(lambda proxy: proxy.cut_after(size_bytes))

    def drop_replies(self, count: int) -> None:
        self._do(lambda proxy: proxy.drop_replies(count))

    def heal(self) -> None:
        """As if nothing had ever been asked for."""

        def change(proxy: Proxy) -> None:
            proxy.delay, proxy.jitter, proxy.slice_bytes = 0.0, 0.0, 65_536
            proxy.drop_replies(0)
            proxy.mode = Mode.PASS

        self._do(change)

    async def _open(self) -> Proxy:
        return await Proxy("127.0.0.1", self._target_port).__aenter__()

    def _do(self, change: Callable[[Proxy], None]) -> None:
        async def act() -> None:
            change(self._proxy)

        self._run(act())

    def _run(self, what: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(PATIENCE)
