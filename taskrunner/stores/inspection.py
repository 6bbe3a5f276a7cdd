"""What a look through a store brings to light: lines that contradict their record, and tasks long overdue."""

from collections.abc import Sequence
from enum import StrEnum

from taskrunner.domain.status import Status
from taskrunner.domain.task import Priority
from taskrunner.domain.value import Value


class Flaw(StrEnum):
    """How what is stored of a task can contradict itself. The record counts, where there is one."""

    NOT_DUE = "not_due"  # it lives, but is not in the due index: nothing will ever happen to it
    DUE_THOUGH_ENDED = "due_though_ended"
    MISFILED = "misfiled"  # listed under another status, or not at all; kept for ever, or not at all
    NO_RECORD = "no_record"  # lines of a task whose record, or whose request, is gone


class Flawed(Value):
    """A task and what is wrong with it."""

    id: str
    flaw: Flaw


class Inspection(Value):
    """One part of a walk through a store; `cursor` asks for the next, None at the end."""

    looked: int
    flawed: Sequence[Flawed]
    cursor: str | None


class Overdue(Value):
    """A task whose due time has passed without anything happening to it."""

    id: str
    status: Status
    queue: Priority
