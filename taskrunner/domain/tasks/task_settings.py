"""The task settings: the limits and defaults that turn a draft into a task."""

from taskrunner.domain.executors.executor_source import ExecutorSource
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.queues.queue import DEFAULT_QUEUE
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.tasks.callback import CallbackDefaults
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.write_concern import WriteConcern
from taskrunner.domain.value import Value, field, replace


class TaskDefaults(Value):
    """The value of each field that a draft leaves out; `timeout` is in seconds."""

    timeout: float = 30.0
    max_attempts: int = 5
    retry: RetryPolicy = RetryPolicy()
    retry_unsafe: bool = False
    queue: str = DEFAULT_QUEUE
    write_concern: WriteConcern = WriteConcern.BROKER
    callback: CallbackDefaults = CallbackDefaults()


class TaskSettings(Value):
    """`write_concerns` are those that the configured store can keep, `executors` those of the store."""

    limits: TaskLimits = TaskLimits()
    defaults: TaskDefaults = TaskDefaults()
    write_concerns: frozenset[WriteConcern] = frozenset(WriteConcern)
    executors: ExecutorSource = field(default_factory=ExecutorSource)


class TaskSettingsSource:
    """The task settings in force. Whoever reads drafts asks here each time, since a reload changes them."""

    __slots__ = ("current",)

    def __init__(self, current: TaskSettings | None = None) -> None:
        self.current = current or TaskSettings()

    def configure(self, settings: TaskSettings) -> None:
        """Replace the settings of the configuration; the declared queues and the executors stay."""
        limits = self.current.limits
        self._put(replace(settings, executors=self.current.executors), limits.queues, limits.refused_queues)

    def declare(self, declared: DeclaredQueues) -> None:
        """From now on, tasks may wait in these queues."""
        self._put(self.current, declared.names, tuple(declared.refused))

    def _put(self, settings: TaskSettings, queues: tuple[str, ...], refused: tuple[str, ...]) -> None:
        limits = replace(settings.limits, queues=queues, refused_queues=refused)
        self.current = replace(settings, limits=limits)
