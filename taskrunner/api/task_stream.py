"""The events of one task, for one client."""

from collections.abc import Callable, Sequence

from aiohttp import web

from taskrunner.api.event_stream import EventStream, gap
from taskrunner.domain.change import Change, ChangeId
from taskrunner.domain.record import Record
from taskrunner.domain.status import TERMINAL, Status
from taskrunner.producer.task_feed import TaskNews


class TaskStream(EventStream):
    """Begins with what the task is now, unless the client goes on from there; ends with the task.

    `show` makes an event, and `event_id` the id of a place, both for this client.
    """

    def __init__(
        self,
        request: web.Request,
        task_id: str,
        show: Callable[[TaskNews], bytes],
        event_id: Callable[[ChangeId], str],
    ) -> None:
        super().__init__(request)
        self.task_id = task_id
        self._show = show
        self._event_id = event_id
        self._has_begun = False
        # What the log may tell a second time; see `news_after`.
        self._began_as: Status | None = None

    def begin(self, record: Record | None, place: ChangeId) -> None:
        """See `TaskWatcher`."""
        if self._has_begun:
            self.offer(gap(self._event_id(place)))
        self._has_begun = True
        status = self._began_as = None if record is None else record.status
        change = Change(id=place, task_id=self.task_id, status=status)
        self._pass_on(TaskNews(change=change, record=record))

    def go_on(self, missed: Sequence[TaskNews]) -> None:
        """The client knows what was before these."""
        self._has_begun = True
        self.tell(missed)

    def tell(self, news: Sequence[TaskNews]) -> None:
        """See `TaskWatcher`."""
        if self._began_as is not None:
            news, self._began_as = news_after(self._began_as, news), None
        for each in news:
            self._pass_on(each)

    def _pass_on(self, news: TaskNews) -> None:
        self.offer(self._show(news))
        if news.change.status is None or news.change.status in TERMINAL:
            self.end()


def news_after(status: Status, news: Sequence[TaskNews]) -> Sequence[TaskNews]:
    """What came after the task was seen with `status`.

    A record is newer than the place up to which the log was read before: the first changes after that place
    may be those that led to what was seen.
    """
    seen = [number for number, each in enumerate(news, start=1) if each.change.status is status]
    return news[seen[-1] :] if seen else news
