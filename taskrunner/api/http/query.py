"""The query string of a request, read by the descriptions of its parameters."""

import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

from aiohttp import web

from taskrunner.api.http.parameters import (
    ALL_TASKS,
    BAD_CURSOR,
    CURSOR,
    FIELDS,
    LABEL,
    QUEUE,
    TASK_CONDITIONS,
    VIEW,
    Parameter,
)
from taskrunner.api.http.problems import refuse
from taskrunner.api.views.task_part import BASIC_FIELDS
from taskrunner.domain.errors import FieldError, FilterInvalid
from taskrunner.domain.keys.audit import AUDIT_CONDITIONS, AuditFilter, read_audit_filter
from taskrunner.domain.messages import did_you_mean
from taskrunner.domain.queues.pauses import read_scopes
from taskrunner.domain.tasks.task_filter import TaskFilter, read_filter
from taskrunner.domain.validation import MAX_FINDINGS, at_most, shortened
from taskrunner.stores.base import CursorInvalid

Type = TypeVar("Type")

_TIMES = ("_after", "_before", "since", "until")
# The offset of a time, where application/x-www-form-urlencoded has made a blank of an unescaped `+`.
_BLANK_OFFSET = re.compile(r"(?<=[0-9]) (?=[0-9]{2}:?[0-9]{2}$)")


class Query:
    """Collects everything that is wrong in a query string, so that one refusal reports all of it."""

    def __init__(self, request: web.Request, parameters: Sequence[Parameter[Any]]) -> None:
        self._given = request.query
        self._errors: list[FieldError] = []
        known = {each.name: each for each in parameters if each.place == "query"}
        for name in dict.fromkeys(self._given):
            if len(self._errors) >= MAX_FINDINGS:
                break
            if name not in known:
                self._wrong(name, "unknown parameter" + did_you_mean(name, known))
            elif len(self._given.getall(name)) > 1 and not known[name].is_list:
                self._wrong(name, "is given more than once")

    def get(self, parameter: Parameter[Type]) -> Type:
        """The value of a parameter, or its default if it is missing or wrong."""
        if parameter.name not in self._given:
            return parameter.default
        # More than one only of a list: many clients write one as `a=x&a=y`, whatever is described.
        values = self._given.getall(parameter.name)
        given = ",".join(values) if parameter.is_list else values[0]
        if parameter.name.endswith(_TIMES):
            given = _with_plus(given)
        try:
            return parameter.read(given)
        except ValueError as exc:
            self._wrong(parameter.name, str(exc))
            return parameter.default

    def selection(self) -> TaskFilter:
        """The tasks or dead letters that the conditions select."""
        conditions = {each.name for each in TASK_CONDITIONS}
        given = {
            name: [
                _with_plus(value) if name.endswith(_TIMES) else value for value in self._given.getall(name)
            ]
            for name in dict.fromkeys(self._given)
            if name in conditions
        }
        try:
            return read_filter(given, now=datetime.now(UTC))
        except FilterInvalid as exc:
            self._errors += exc.errors
            return TaskFilter()

    def members(self) -> Sequence[str] | None:
        """The members of a task to answer: those of the view and of `fields`; None for all."""
        fields, view = self.get(FIELDS), self.get(VIEW)
        if VIEW.name not in self._given:
            return fields
        return None if view == "full" else tuple(dict.fromkeys((*BASIC_FIELDS, *(fields or ()))))

    def refuse_if_given(self, parameter: Parameter[Any], reason: str) -> None:
        """Note `reason` as what is wrong with a parameter that does not go with the rest of the request."""
        if parameter.name in self._given:
            self._wrong(parameter.name, reason)

    def audit(self) -> AuditFilter:
        """The audit entries that the conditions select."""
        given = {
            name: _with_plus(value) if name.endswith(_TIMES) else value
            for name, value in self._given.items()
            if name in AUDIT_CONDITIONS
        }
        try:
            return read_audit_filter(given, now=datetime.now(UTC))
        except FilterInvalid as exc:
            self._errors += exc.errors
            return AuditFilter()

    def scopes(self, declared: Collection[str] | None = None) -> list[str]:
        """What to pause or resume: any number of queues and labels, or everything."""
        try:
            return read_scopes(
                queues=self._given.getall(QUEUE.name, []),
                labels=self._given.getall(LABEL.name, []),
                everything=self.get(ALL_TASKS),
                declared=declared,
            )
        except FilterInvalid as exc:
            self._errors += exc.errors
            return []

    async def with_cursor(self, ask: Callable[[], Awaitable[Type]]) -> Type:
        """The answer of `ask`, which raises `CursorInvalid` for one that is not its own."""
        try:
            return await ask()
        except CursorInvalid:
            self._wrong(CURSOR.name, BAD_CURSOR)
            self.refuse_if_wrong()
            raise

    def refuse_if_wrong(self) -> None:
        if self._errors:
            errors = at_most(self._errors)
            raise refuse(400, "bad_query", "; ".join(str(error) for error in errors), errors)

    def _wrong(self, name: str, message: str) -> None:
        self._errors.append(FieldError(field=shortened(name), message=message))


def _with_plus(text: str) -> str:
    """`text` as it was meant: `2030-01-31T12:00:00 02:00` can only have been `+02:00`."""
    return _BLANK_OFFSET.sub("+", text) if "T" in text.upper() else text
