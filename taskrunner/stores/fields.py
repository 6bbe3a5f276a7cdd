"""How stores keep values: each field under its name, a time under its name and `_ms`, in ms since 1970.

The names and the conversions come from the value's declaration; adapters add how they keep each type.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from types import NoneType
from typing import Any, Generic, TypeVar, get_args, get_type_hints

from taskrunner.domain.value import Value

V = TypeVar("V", bound=Value)
Convert = Callable[[Any], Any]

# A hundred years are "for ever" to anybody, and stay within the 63 bits that databases count milliseconds in.
_LONGEST_RETENTION = 100 * 366 * 86_400.0


def retention_ms(seconds: float) -> int:
    """A retention in milliseconds, at least 1."""
    return max(1, int(min(seconds, _LONGEST_RETENTION) * 1000))


class StoredFields(ABC, Generic[V]):
    """The fields of `kind`, apart from `without`. They are stored under `names`, in this order."""

    def __init__(self, kind: type[V], *, without: Collection[str] = ()) -> None:
        hints = get_type_hints(kind)
        self._kind = kind
        self._fields = [name for name in kind.__struct_fields__ if name not in without]
        types = [_plain(hints[name]) for name in self._fields]
        self._optional = [NoneType in get_args(hints[name]) for name in self._fields]
        self._write = [self._writer(each) for each in types]
        self._read = [self._reader(each) for each in types]
        self.names = tuple(
            f"{name}_ms" if each is datetime else name for name, each in zip(self._fields, types, strict=True)
        )

    def dump(self, value: V) -> list[Any]:
        """What to store, in the order of `names`; None for a field that is None."""
        return [
            None if (found := getattr(value, name)) is None else write(found)
            for name, write in zip(self._fields, self._write, strict=True)
        ]

    def load(self, stored: Sequence[Any], **others: Any) -> V:
        """The value, from what is stored under `names` and the fields that are not stored.

        A field that is missing (None) takes its default, if it cannot be None.
        """
        for name, read, optional, found in zip(self._fields, self._read, self._optional, stored, strict=True):
            if found is not None:
                others[name] = read(found)
            elif optional:
                others[name] = None
        return self._kind(**others)

    @abstractmethod
    def _writer(self, kind: type) -> Convert:
        """Turns a field of this type into what is stored."""

    @abstractmethod
    def _reader(self, kind: type) -> Convert:
        """The inverse of `_writer`."""


def unchanged(value: Any) -> Any:
    """The conversion of a field that is stored as it is."""
    return value


def _plain(hint: Any) -> Any:
    """The type of a field, without None."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType]
    return kinds[0] if len(kinds) == 1 and NoneType in get_args(hint) else hint
