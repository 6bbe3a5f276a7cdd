"""Follows one task by the task feed, from what it is now to its end, with no status twice."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from taskrunner.domain.tasks.change import ChangeId, StatusChange
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import TERMINAL, Status
from taskrunner.producer.change_reader import TaskNews


class TaskFollower(ABC):
    """A `TaskWatcher`. It begins with `begin` or with `go_on`."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        self._has_begun = False
        # What the log may tell a second time; see `news_after`.
        self._began_as: Status | None = None

    @abstractmethod
    def pass_on(self, news: TaskNews, *, is_last: bool) -> None:
        """The next status."""

    @abstractmethod
    def lose(self, place: ChangeId) -> None:
        """Changes before this place were lost; what the task is now follows."""

    def begin(self, record: Record | None, place: ChangeId) -> None:
        """See `TaskWatcher`."""
        if self._has_begun:
            self.lose(place)
        self._has_begun = True
        status = self._began_as = None if record is None else record.status
        change = StatusChange(id=place, task_id=self.task_id, status=status)
        self._pass_on(TaskNews(change=change, record=record))

    def go_on(self, missed: Sequence[TaskNews]) -> None:
        """All that was before these is known."""
        self._has_begun = True
        self.tell(missed)

    def tell(self, news: Sequence[TaskNews]) -> None:
        """See `TaskWatcher`."""
        if self._began_as is not None:
            news, self._began_as = news_after(self._began_as, news), None
        for each in news:
            self._pass_on(each)

    def _pass_on(self, news: TaskNews) -> None:
        status = news.change.status
        self.pass_on(news, is_last=status is None or status in TERMINAL)


def news_after(status: Status, news: Sequence[TaskNews]) -> Sequence[TaskNews]:
    """What came after the task was seen with `status`.

    A record is newer than the place up to which the log was read before: the first changes after that place
    may be those that led to what was seen.
    """
    seen = [number for number, each in enumerate(news, start=1) if each.change.status is status]
    return news[seen[-1] :] if seen else news
