"""How hashes and the arguments of scripts keep the fields of values.

Arguments are flat, since the driver packs a flat list in C and Lua reads it without decoding anything.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import Enum
from itertools import chain
from typing import Any, Generic, TypeVar

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import Decoder, encode, storable
from taskrunner.domain.tasks.new_task import NewTask
from taskrunner.domain.tasks.record import DeadLetter, Record
from taskrunner.domain.tasks.settlement import Settlement
from taskrunner.domain.value import Value
from taskrunner.stores.fields import Convert, StoredFields
from taskrunner.stores.operation_store import StoredOperation
from taskrunner.stores.record import StoredRecord
from taskrunner.stores.schedule_store import StoredSchedule
from taskrunner.stores.values import Due

V = TypeVar("V", bound=Value)
Argument = str | bytes | int


def _text(value: str) -> str:
    return value if value.isascii() else storable(value)


class HashFields(StoredFields[V], Generic[V]):
    """The fields of a value as bytes; an empty text stands for None."""

    def arguments(self, value: V) -> list[Argument]:
        return ["" if found is None else found for found in self.dump(value)]

    def value(self, found: Sequence[Any], **others: Any) -> V:
        """The value, from what a script answered for `names`."""
        return self.load([each or None for each in found], **others)

    def values(self, found: Sequence[Any]) -> list[V]:
        """The values, from a flat answer without empty texts."""
        size = len(self.names)
        return [self.load(found[first : first + size]) for first in range(0, len(found), size)]

    def _writer(self, kind: type) -> Convert:
        if kind is str:
            return _text
        if kind is datetime:
            return to_ms
        return encode if issubclass(kind, Value) else None

    def _reader(self, kind: type) -> Convert:
        if kind is str:
            return bytes.decode
        if kind is datetime:
            return lambda stored: from_ms(float(stored))
        if issubclass(kind, Value):
            return Decoder(kind).decode
        if issubclass(kind, Enum):
            return {member.value.encode(): member for member in kind}.__getitem__
        return None if kind is bytes else kind


NEW_TASK = HashFields(
    NewTask,
    without={"task", "write_concern", "snoozes"},
    properties=("max_attempts", "created_at", "deadline", "dedup_until"),
)
SETTLEMENT = HashFields(Settlement, without={"keep", "follow_ups"})
DUE = HashFields(Due)
RECORD = HashFields(StoredRecord)
SCHEDULE = HashFields(StoredSchedule)
OPERATION = HashFields(StoredOperation)
DEAD_MESSAGE = HashFields(
    DeadLetter,
    without={"id", "kind", "executor", "is_listed", "labels", "outcome", "created_at", "created_by", "raw"},
)

# The names that are written out for Lua: the place of each argument of an item, and the fields to read.
POSITIONS = {
    "RECORD": RECORD.names,
    "DUE": DUE.names,
    "SCHEDULE": SCHEDULE.names,
    "OPERATION": OPERATION.names,
    "DEAD_MESSAGE": DEAD_MESSAGE.names,
    "NEW_TASK": (*NEW_TASK.names, "attempt_limit"),
    "SETTLEMENT": (*SETTLEMENT.names, "number", "body", "retention_ms", "not_counted", "follow_ups"),
}
FIELDS = {
    "DUE_FIELDS": tuple(name for name in DUE.names if name not in {"id", "running"}),
    "RECORD_FIELDS": tuple(name for name in RECORD.names if name not in {"due_ms", "kept_until_ms"}),
    "SCHEDULE_FIELDS": tuple(name for name in SCHEDULE.names if name != "name"),
    "OPERATION_FIELDS": tuple(name for name in OPERATION.names if name != "id"),
    "DEAD_MESSAGE_FIELDS": DEAD_MESSAGE.names,
}


def new_tasks(tasks: Iterable[NewTask]) -> list[Argument]:
    """The arguments by which `create.lua` makes these tasks."""
    args: list[Argument] = []
    for task in tasks:
        args += NEW_TASK.arguments(task)
        args.append(max(task.max_attempts, task.attempt + 1))
    return args


def with_follow_ups(
    header: Sequence[Argument], rows: Sequence[Sequence[Argument]], follow_ups: Sequence[Sequence[NewTask]]
) -> list[Argument]:
    """`header`, the number of `rows`, the rows, and the tasks that follow some of them.

    Each row ends with the places in ARGV of the tasks that follow it, separated by spaces.
    """
    args: list[Argument] = [*header, len(rows)]
    place = len(args) + 1 + sum(len(row) + 1 for row in rows)
    size = len(POSITIONS["NEW_TASK"])
    for row, following in zip(rows, follow_ups, strict=True):
        end = place + size * len(following)
        args += row
        args.append(" ".join(map(str, range(place, end, size))))
        place = end
    return args + new_tasks(chain.from_iterable(follow_ups))


def read_record(found: Sequence[Any]) -> Record:
    """The record, from {fields, attempt 1, attempt 2, …}."""
    fields, *attempts = found
    return RECORD.value(fields).decode([line for line in attempts if line is not None])


def pairs(found: Any) -> Iterable[tuple[bytes, bytes]]:
    """The fields of a hash, which come as a list or a mapping, depending on the protocol's version."""
    return zip(found[::2], found[1::2], strict=True) if isinstance(found, list) else found.items()
