"""The view of a change of a task's status, as events tell it."""

from taskrunner.api.views.task import TaskView
from taskrunner.api.views.view import View
from taskrunner.domain.tasks.status import Status


class TaskEventView(View):
    """A task came to `status`; null if it was deleted.

    `task` is as it was when the event was sent, and may have come further by then; null if it is gone.
    """

    task_id: str
    status: Status | None
    task: TaskView | None


class EventGapView(View):
    """The client has missed events, for the reason in `detail`, and reads again what it wants to know."""

    detail: str
