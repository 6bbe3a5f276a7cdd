"""The streams of calls: each counts as one of the API's live requests, and ends with them."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

from taskrunner.api.http.problems import RequestRefused, refuse
from taskrunner.domain.tasks.change import ChangeId
from taskrunner.producer.change_reader import TaskNews
from taskrunner.producer.task_follower import TaskFollower

Item = TypeVar("Item")


def stream_ended() -> RequestRefused:
    """The end of a stream that the server ends: it stops, or the key is no longer good."""
    return refuse(503, "stream_ended", "this stream was ended here; call again")


class LiveStream(Generic[Item]):
    """Passes on what `offer` gives it, in order. A `LiveRequest`.

    Of more than `most` that wait for a slow client, the oldest are dropped.
    """

    def __init__(self, *, most: int) -> None:
        self._waiting: deque[Item] = deque(maxlen=most)
        self._wake = asyncio.Event()
        self._finished = False
        self._cut = False

    def offer(self, item: Item) -> None:
        self._waiting.append(item)
        self._wake.set()

    def finish(self) -> None:
        """End once all that was offered is sent."""
        self._finished = True
        self._wake.set()

    def end(self) -> None:
        """See `LiveRequest`: the server stops, or the key is no longer good."""
        self._cut = True
        self._wake.set()

    def look(self) -> None:
        """gRPC itself asks whether the client is there."""

    async def items(self) -> AsyncIterator[Item]:
        """Raises `RequestRefused` when the stream was ended from here."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if self._cut:
                raise stream_ended()
            while self._waiting:
                yield self._waiting.popleft()
            if self._finished:
                return


class TaskWatch(LiveStream[TaskNews], TaskFollower):
    """The statuses of one task, until its end."""

    def __init__(self, task_id: str, *, most: int) -> None:
        LiveStream.__init__(self, most=most)
        TaskFollower.__init__(self, task_id)

    def pass_on(self, news: TaskNews, *, is_last: bool) -> None:
        self.offer(news)
        if is_last:
            self.finish()

    def lose(self, place: ChangeId) -> None:
        """The current state of the task follows, which is all that a client needs."""
