"""A lease poll: a client that waits for tasks, over HTTP or gRPC. It ends as every live request does."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from taskrunner.consumer.remote.remote_attempts import RemoteAttempts
from taskrunner.domain.executors.remote_lease import RemoteLease
from taskrunner.runtime.cancel_and_wait import cancel_and_wait


class LeasePoll:
    """A `LiveRequest`. `is_there` says whether the client is still connected."""

    def __init__(self, attempts: RemoteAttempts, is_there: Callable[[], bool]) -> None:
        self._attempts = attempts
        self._is_there = is_there
        self._ended = asyncio.Event()

    @property
    def has_ended(self) -> bool:
        return self._ended.is_set()

    def end(self) -> None:
        """See `LiveRequest`."""
        self._ended.set()

    def look(self) -> None:
        """The client is there."""

    async def lease(self, leasing: Coroutine[Any, Any, list[RemoteLease]]) -> list[RemoteLease]:
        """The tasks that `leasing` gets before the poll ends.

        Leases of a client that is gone are given back.
        """
        working = asyncio.ensure_future(leasing)
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((working, ended), return_when=asyncio.FIRST_COMPLETED)
            leases = working.result() if working.done() else []
        finally:
            await cancel_and_wait(working, ended)
        if leases and not self._is_there():
            await self._attempts.give_back(leases)
            return []
        return leases
