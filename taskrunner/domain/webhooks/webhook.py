"""A webhook: a subscription to the ends, or to any changes, of all tasks that match a filter."""

from collections.abc import Sequence

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.tasks.callback import Callback
from taskrunner.domain.tasks.change import ChangeEvent
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.value import Value

# Of one API key that sees only its own tasks, or of all others together. Each may match each task, and then
# adds a task of its own to the end of that one.
MAX_WEBHOOKS = 20


class Webhook(Value):
    """`callback` is sent for each task that `task_filter` matches, when it ends in one of its events.

    It is also sent for each of the `changes`, none of which is an end: ends are reported in the step that
    writes them, and other changes from the log.

    `name` begins with the namespace of the submitter that made it; see `Submitter`. It matches only tasks of
    that namespace.
    """

    name: str
    callback: Callback
    changes: tuple[ChangeEvent, ...] = ()
    task_filter: TaskFilter = TaskFilter()
    enabled: bool = True
    created_by: str | None = None
    created_at: AwareDatetime
    updated_at: AwareDatetime

    @property
    def events(self) -> tuple[ChangeEvent, ...]:
        """All that it reports, in the order of the statuses."""
        wanted = {*self.changes, *self.callback.events}
        return tuple(event for event in ChangeEvent if event in wanted)


class WebhookSource:
    """The webhooks in force, set by a watch and asked for by whoever ends tasks.

    `known` is None before the first read.
    """

    __slots__ = ("known",)

    def __init__(self, known: Sequence[Webhook] | None = None) -> None:
        self.known = None if known is None else tuple(known)

    def set(self, webhooks: Sequence[Webhook]) -> None:
        """These are in force from now on."""
        self.known = tuple(each for each in webhooks if each.enabled)

    @property
    def in_force(self) -> tuple[Webhook, ...]:
        """Raises `StoreUnavailable` until they are known: an end must not be missed."""
        if self.known is None:
            raise StoreUnavailable("the webhooks are in the store, which has not answered yet")
        return self.known
