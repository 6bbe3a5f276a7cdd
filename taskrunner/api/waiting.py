"""`Prefer: wait` (RFC 7240 section 4.3): the answer comes when the task has ended, or after the wait."""

import asyncio
from collections.abc import Sequence

from aiohttp import web

from taskrunner.api.auth.access import caller_of
from taskrunner.api.auth.scopes import READ
from taskrunner.api.http.live_requests import LiveRequests
from taskrunner.api.http.preferences import wait_of
from taskrunner.api.http.settings import ApiSettings
from taskrunner.domain.tasks.change import ChangeId
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import TERMINAL
from taskrunner.domain.value import Value
from taskrunner.producer.change_reader import TaskNews
from taskrunner.producer.task_feed import TaskFeed


class Waited(Value):
    """`record` is set if the task has ended. `applied` is the header for the answer, if there was a wait."""

    record: Record | None = None
    applied: tuple[tuple[str, str], ...] = ()


class Waiting:
    """Waits for the ends of tasks, for clients that prefer it."""

    def __init__(self, feed: TaskFeed, live: LiveRequests, options: ApiSettings) -> None:
        self._feed = feed
        self._live = live
        self._most = options.max_wait

    async def check_again(self, request: web.Request) -> None:
        """After a wait. Raises `RequestRefused` if the key has been revoked meanwhile."""
        await self._live.check(request, READ)

    async def may_still_read(self, request: web.Request) -> bool:
        """After a wait: False if the key has been revoked meanwhile, or may not read any more."""
        return await self._live.may_see(request, READ)

    async def until_ended(self, request: web.Request, task_id: str) -> Waited:
        """Wait as long as the client prefers and we allow.

        Not at all if it may not read the result, if there are too many waits, or if it does not ask to.
        """
        seconds = min(wait_of(request.headers.getall("Prefer", ())) or 0, int(self._most))
        if not seconds or not caller_of(request).may_read:
            return Waited()
        waiter = _Waiter(task_id)
        with self._live.waiting(request, waiter, READ) as admitted:
            if not admitted:
                return Waited()
            self._feed.watch(waiter)
            timer = asyncio.get_running_loop().call_later(seconds, waiter.end)
            try:
                record = await waiter.ended
            finally:
                timer.cancel()
                self._feed.unwatch(waiter)
        return Waited(record=record, applied=(("Preference-Applied", f"wait={seconds}"),))


class _Waiter:
    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self.ended: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()

    def begin(self, record: Record | None, place: ChangeId) -> None:
        if record is None:
            self._finish(None)  # deleted
        elif record.status in TERMINAL:
            self._finish(record)

    def tell(self, news: Sequence[TaskNews]) -> None:
        self.begin(news[-1].record, news[-1].change.id)

    def end(self) -> None:
        self._finish(None)

    def look(self) -> None:
        """Nothing is to be done meanwhile."""

    def _finish(self, record: Record | None) -> None:
        if not self.ended.done():
            self.ended.set_result(record)
