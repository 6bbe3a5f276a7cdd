"""The view of a dry run."""

from collections.abc import Sequence
from typing import Self

from taskrunner.api.views.task import TaskView
from taskrunner.api.views.view import View
from taskrunner.domain.executors.executor import DeadLetterPolicy, Executor, ExecutorKind
from taskrunner.domain.masking import Masking
from taskrunner.domain.tasks.dry_run import DryRun, PlannedAttempt, TargetVerdict
from taskrunner.domain.tasks.write_concern import WriteConcern


class DryRunExecutor(View):
    """The executor of the task, whose policies `task` has. `checked`: the data fits its schema."""

    name: str
    kind: ExecutorKind
    version: int
    checked: bool
    concurrency: int | None
    rate: float | None
    retention: float | None
    dead_letters: DeadLetterPolicy

    @classmethod
    def of(cls, executor: Executor) -> Self:
        return cls.copy(executor, checked=executor.schema is not None)


class DryRunView(View):
    """What a submit would do; nothing was stored.

    `created` is false if it would be answered with the task `existing_id`, which the id, the Idempotency-Key
    or the dedup key (`deduplicated`) belongs to. `replaces_id` is the task that would lose its dedup key, and
    be cancelled if it still waits then. `task` has all fields with their defaults filled in; its id is a new
    one each time, unless the task gives one. `attempts` are the times at which attempts would start if all
    before them failed.
    """

    created: bool
    existing_id: str | None
    deduplicated: bool
    replaces_id: str | None
    task: TaskView
    write_concern: WriteConcern
    attempts: Sequence[PlannedAttempt]
    target: TargetVerdict | None
    executor: DryRunExecutor | None

    @classmethod
    def of(cls, found: DryRun, masking: Masking) -> Self:
        task = TaskView.of_accepted(found.task, masking, published=found.is_queued)
        executor = None if found.executor is None else DryRunExecutor.of(found.executor)
        return cls.copy(found, executor=executor, created=found.existing_id is None, task=task)
