"""The events of one task, for one client."""

from collections.abc import Callable

from aiohttp import web

from taskrunner.api.http.event_stream import EventStream, gap
from taskrunner.domain.tasks.change import ChangeId
from taskrunner.producer.change_reader import TaskNews
from taskrunner.producer.task_follower import TaskFollower


class TaskStream(EventStream, TaskFollower):
    """Ends with the task. `show` makes an event, and `event_id` the id of a place, both for this client."""

    def __init__(
        self,
        request: web.Request,
        task_id: str,
        show: Callable[[TaskNews], bytes],
        event_id: Callable[[ChangeId], str],
    ) -> None:
        EventStream.__init__(self, request)
        TaskFollower.__init__(self, task_id)
        self._show = show
        self._event_id = event_id

    def pass_on(self, news: TaskNews, *, is_last: bool) -> None:
        self.offer(self._show(news))
        if is_last:
            self.end()

    def lose(self, place: ChangeId) -> None:
        self.offer(gap(self._event_id(place)))
