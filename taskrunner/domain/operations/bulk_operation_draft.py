"""An operation draft: the operation that a client asks for, checked."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field

from taskrunner.domain.draft_reading import draft_from_fields, draft_from_json
from taskrunner.domain.errors import FieldError, FilterInvalid, OperationInvalid
from taskrunner.domain.hosts.host_limit import Rate
from taskrunner.domain.json_fields import WholeNumber
from taskrunner.domain.keys.audit import Actor, new_audit_id
from taskrunner.domain.messages import did_you_mean
from taskrunner.domain.operations.bulk_operation import (
    MOST_IDS,
    STATUSES,
    BulkOperation,
    OperationAction,
    Resource,
    StopAt,
)
from taskrunner.domain.tasks.submitter import check_stored_id
from taskrunner.domain.tasks.task_filter import CONDITIONS, LETTER_CONDITIONS, TaskFilter, read_filter
from taskrunner.domain.validation import at_most, shortened
from taskrunner.domain.value import replace

_NULL: dict[str, Any] = {"type": "null"}
# A condition, with its value; labels are several.
Conditions = dict[str, str | list[str]]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StopAtDraft(_Part):
    """When to stop early: give one of the two. Of requeued tasks, only those that have ended count."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        json_schema_extra={
            "anyOf": [
                {"required": [one], "properties": {one: {"not": _NULL}, other: _NULL}}
                for one, other in (("percent", "failures"), ("failures", "percent"))
            ]
        },
    )

    percent: Annotated[float, Field(ge=0, le=100)] | None = Field(
        None, description="At more than this percentage of failures, once ten have ended."
    )
    failures: Annotated[WholeNumber, Field(ge=0, le=1_000_000_000)] | None = Field(
        None, description="At more failures than this."
    )


class BulkOperationDraft(_Part):
    """What to do, and to what: give one of `filter`, `ids` and `all`."""

    action: OperationAction
    resource: Resource = Field(
        Resource.TASKS, description="Failed tasks are dead letters, and so are messages that are no tasks."
    )
    filter: Annotated[Conditions, Field(min_length=1)] | None = Field(
        None, description="The conditions of the list, all of which must hold."
    )
    ids: Annotated[list[str], Field(min_length=1, max_length=MOST_IDS)] | None = None
    all: bool = Field(False, description="Everything that the action applies to.")
    limit: Annotated[WholeNumber, Field(ge=1, le=1_000_000_000)] | None = Field(
        None, description="Act on at most this many."
    )
    rate: Rate | None = Field(None, description="How many per second; by default as fast as possible.")
    stop_at: StopAtDraft | None = None
    dry_run: bool = Field(False, description="Only count what matches.")

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Parse one JSON object. Raises `OperationInvalid` with all findings."""
        return draft_from_json(cls, raw, OperationInvalid)

    @classmethod
    def from_fields(cls, fields: Mapping[str, object]) -> Self:
        """Raises `OperationInvalid` with all findings."""
        return draft_from_fields(cls, fields, OperationInvalid)

    def to_operation(
        self, actor: Actor, *, now: datetime, namespace: str, stored: Callable[[str], str]
    ) -> BulkOperation:
        """The operation on what begins with `namespace`; `stored` makes the store's form of an id.

        Raises `OperationInvalid` with all findings.
        """
        errors = [*self._contradictions(), *_bad_ids(self.ids or ())]
        selected = TaskFilter()
        try:
            selected = self._selected(now)
        except FilterInvalid as exc:
            errors += exc.errors
        if errors:
            raise OperationInvalid(at_most(errors))
        stop_at = self.stop_at
        return BulkOperation(
            id=new_audit_id(now),
            action=self.action,
            resource=self.resource,
            filter=replace(selected, namespace=namespace),
            conditions=tuple(
                (name, text) for name, texts in _texts(self.filter or {}).items() for text in texts
            ),
            ids=tuple(dict.fromkeys(map(stored, self.ids or ()))),
            limit=self.limit,
            rate=self.rate,
            stop_at=None if stop_at is None else StopAt(percent=stop_at.percent, failures=stop_at.failures),
            dry_run=self.dry_run,
            actor=actor,
            created_at=now,
        )

    def _contradictions(self) -> list[FieldError]:
        found: list[FieldError] = []

        def wrong(field: str, message: str) -> None:
            found.append(FieldError(field=field, message=message))

        if bool(self.filter) + (self.ids is not None) + self.all != 1:
            wrong("", "give exactly one of filter (with at least one condition), ids, and all: true")
        if self.limit is not None and self.ids is not None:
            wrong("limit", "is for filter and all; give fewer ids")
        if self.action is OperationAction.CANCEL and self.resource is Resource.DEAD_LETTERS:
            wrong("action", "dead letters have ended, so that none can be cancelled; use requeue or delete")
        stop_at = self.stop_at
        if stop_at is not None and (stop_at.percent is None) == (stop_at.failures is None):
            wrong("stop_at", "give exactly one of percent and failures")
        if stop_at is not None and self.action is OperationAction.REQUEUE and self.rate is None:
            wrong("stop_at", "needs a rate: without one, all are requeued before the first can fail again")
        return found

    def _selected(self, now: datetime) -> TaskFilter:
        """Raises `FilterInvalid`."""
        given = _texts(self.filter or {})
        known = CONDITIONS if self.resource is Resource.TASKS else LETTER_CONDITIONS
        errors = [
            FieldError(
                field=f"filter.{shortened(name)}",
                message=f"{self.resource} have no such condition{did_you_mean(name, known)}",
            )
            for name in given
            if name not in known
        ]
        errors += [
            FieldError(field=f"filter.{name}", message="takes one text; only label takes a list")
            for name, value in (self.filter or {}).items()
            if isinstance(value, list) and name != "label" and name in known
        ]
        errors += [
            FieldError(field=f"filter.{name}", message="is empty, and would match everything")
            for name, value in (self.filter or {}).items()
            if value == []
        ]
        if errors:
            raise FilterInvalid(errors)
        try:
            selected = read_filter(given, now=now)
        except FilterInvalid as exc:
            raise FilterInvalid([replace(each, field=f"filter.{each.field}") for each in exc.errors]) from exc
        possible = STATUSES[self.action]
        if selected.status is not None and selected.status not in possible:
            message = (
                f"{self.action} does not apply to {selected.status} tasks; possible: {', '.join(possible)}"
            )
            raise FilterInvalid([FieldError(field="filter.status", message=message)])
        return selected


def _texts(conditions: Conditions) -> Mapping[str, Sequence[str]]:
    return {name: [value] if isinstance(value, str) else value for name, value in conditions.items()}


def _bad_ids(ids: Sequence[str]) -> list[FieldError]:
    found: list[FieldError] = []
    for place, each in enumerate(ids):
        try:
            check_stored_id(each)
        except ValueError as exc:
            found.append(FieldError(field=f"ids.{place}", message=str(exc)))
    return found
