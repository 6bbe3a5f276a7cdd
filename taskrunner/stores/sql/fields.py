"""How columns keep the fields of values."""

from collections.abc import Collection, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, Table

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import Decoder, encode, storable
from taskrunner.domain.value import Value
from taskrunner.stores.fields import Convert, StoredFields
from taskrunner.stores.sql.session import Row, Rows

V = TypeVar("V", bound=Value)
# Sorts behind every id, in UTF-8 as in code points; and behind every time in ms.
LAST_ID = "\U0010ffff"
LATEST = 2**62


def text(value: str) -> str:
    """`value` without what no database holds: halves of surrogate pairs and, on PostgreSQL, NUL."""
    if value.isascii() and "\0" not in value:
        return value
    return storable(value).replace("\0", "\N{REPLACEMENT CHARACTER}")


class TableFields(StoredFields[V], Generic[V]):
    """The fields of a value that have a column, in one of `tables`."""

    def __init__(
        self,
        kind: type[V],
        *tables: Table,
        without: Collection[str] = (),
        properties: Collection[str] = (),
    ) -> None:
        known = {column.name: column for table in reversed(tables) for column in table.c}
        absent = {name for name in kind.__struct_fields__ if not {name, f"{name}_ms"} & known.keys()}
        super().__init__(kind, without=absent.union(without), properties=properties)
        self.columns: list[Column[Any]] = [known[name] for name in self.names]

    def row(self, value: V, **others: Any) -> dict[str, Any]:
        """What a statement is to write: the columns of `value`, and `others`."""
        return dict(zip(self.names, self.dump(value), strict=True)) | others

    def value(self, row: Row, **others: Any) -> V:
        """The value in `row`, which begins with `columns`."""
        return self.load(row[: len(self.names)], **others)

    def _writer(self, kind: type) -> Convert:
        if kind is bytes:
            return bytes.decode
        if kind is datetime:
            return to_ms
        if issubclass(kind, Value):
            return lambda value: encode(value).decode()
        if issubclass(kind, Enum):
            return lambda value: value.value
        return text if kind is str else None

    def _reader(self, kind: type) -> Convert:
        if kind is bytes:
            return str.encode
        if kind is datetime:
            return from_ms
        if issubclass(kind, Value):
            decode = Decoder(kind).decode
            return lambda stored: decode(stored.encode())
        return kind if issubclass(kind, Enum) else None


def pack(rows: Rows, contents: Sequence[bytes | None]) -> dict[str, Any]:
    """`rows` with the place of their bytes in one value, `content`: see `statement.packed_bytes`."""
    # SQLite cuts NULL out of an empty value, so this one never is; places count from 1.
    placed, start = [], 2
    for row, content in zip(rows, contents, strict=True):
        size = None if content is None else len(content)
        placed.append({**row, "start": None if content is None else start, "size": size})
        start += size or 0
    return {"rows": placed, "content": b"\0" + b"".join(each for each in contents if each is not None)}
