"""The view of an operation."""

from collections.abc import Callable, Mapping, Sequence
from typing import Self

from taskrunner.api.views.view import View
from taskrunner.domain.masking import masked_condition
from taskrunner.domain.operations.bulk_operation import (
    BulkOperation,
    OperationAction,
    OperationStatus,
    Resource,
)
from taskrunner.domain.tasks.task import AwareDatetime


class StopAtView(View):
    """One of both is null."""

    percent: float | None
    failures: int | None


class RefusalView(View):
    """Why the action was refused for one task or dead letter."""

    id: str
    reason: str


class OperationView(View):
    """`filter` has a list of texts per condition; it is null for `ids` and for everything.

    `ids` are null once the operation has ended; `ids_count` stays, and is null if it was not made for ids.
    `matched` is the sum of `done`, `skipped` (changed meanwhile) and `failed`; a dry run only counts it.
    `reasons` are those of the first twenty that failed. Of a sample of the requeued tasks, which `stop_at`
    needs, `requeued_ended` have ended and `requeued_failed` have failed again. `made_by` is the API key.
    """

    id: str
    action: OperationAction
    resource: Resource
    filter: Mapping[str, Sequence[str]] | None
    ids: Sequence[str] | None
    ids_count: int | None
    limit: int | None
    rate: float | None
    stop_at: StopAtView | None
    dry_run: bool
    made_by: str | None
    created_at: AwareDatetime
    status: OperationStatus
    started_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    error: str | None
    matched: int
    done: int
    skipped: int
    failed: int
    reasons: Sequence[RefusalView]
    requeued_ended: int
    requeued_failed: int

    @classmethod
    def of(cls, operation: BulkOperation, shown: Callable[[str], str] = str) -> Self:
        """`shown` makes the form of ids that the asker knows."""
        conditions: dict[str, list[str]] = {}
        for name, text in operation.conditions:
            conditions.setdefault(name, []).append(masked_condition(text))
        progress, stop_at = operation.progress, operation.stop_at
        return cls.copy(
            operation,
            filter=conditions or None,
            ids=[shown(each) for each in operation.ids] or None,
            ids_count=operation.named or None,
            stop_at=None if stop_at is None else StopAtView.copy(stop_at),
            made_by=operation.actor.key,
            matched=progress.matched,
            done=progress.done,
            skipped=progress.skipped,
            failed=progress.failed,
            reasons=[RefusalView(id=shown(each.id), reason=shown(each.reason)) for each in progress.reasons],
            requeued_ended=progress.sample.ended,
            requeued_failed=progress.sample.failed,
        )


class OperationPage(View):
    """Operations, the newest first; `next_cursor` asks for the next part."""

    operations: Sequence[OperationView]
    next_cursor: str | None
