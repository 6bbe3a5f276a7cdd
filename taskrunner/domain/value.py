"""Values: dataclasses that the type checker holds frozen, for what is made by the thousand per second."""

from dataclasses import dataclass
from typing import TypeVar, dataclass_transform

Class = TypeVar("Class")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(cls: type[Class]) -> type[Class]:
    """A slotted, keyword-only dataclass that mypy treats as frozen.

    At run time it is not: `frozen=True` sets each field through a call, which makes a value of eight fields
    three times as costly to create (3.5 against 1.2 µs), and a task makes some hundred fields.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)
