"""Statements: each is built once per dialect and is defined next to the operation that runs it.

SQLite gives up Python's interpreter lock at every step of a statement and may wait 5 ms to get it back: 500
rows by `executemany` took 4,165 ms beside a busy thread, the same rows as one JSON parameter 28 ms. So rows
go in as one parameter, and on SQLite come out as one value.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Executable,
    FromClause,
    Integer,
    LargeBinary,
    Select,
    Text,
    bindparam,
    cast,
    column,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import TypeEngine

TEXT, INT, BIG = Text(), Integer(), BigInteger()

Statement = Callable[[str], Executable]


class IncomingRows:
    """Makes a table of the rows that a statement gets as its parameter `rows`, in the SQL of `dialect`."""

    def __init__(self, dialect: str) -> None:
        self.dialect = dialect

    def __call__(self, *columns: "Column[Any]", **others: TypeEngine[Any]) -> FromClause:
        """The rows, with fields named and typed as `columns`, and `others`."""
        fields: dict[str, TypeEngine[Any]] = {each.name: each.type for each in columns} | others
        parameter = bindparam("rows", type_=Text())
        if self.dialect == "sqlite":
            each = func.json_each(parameter).table_valued("value")
            extracted = (
                func.json_extract(each.c.value, f"$.{name}", type_=kind).label(name)
                for name, kind in fields.items()
            )
            return select(*extracted).subquery("v")
        # Without the collation of a column, which a type in this list cannot have.
        plain = {name: Text() if isinstance(kind, Text) else kind for name, kind in fields.items()}
        recordset = func.jsonb_to_recordset(cast(parameter, JSONB))
        return recordset.table_valued(*(column(name, kind) for name, kind in plain.items())).render_derived(
            name="v", with_types=True
        )


def query(build: Callable[[IncomingRows], "Select[Any]"]) -> Statement:
    """A query for `Session.fetch`."""

    @cache
    def built(dialect: str) -> Executable:
        found = build(IncomingRows(dialect))
        if dialect != "sqlite":
            return found
        return select(func.json_group_array(func.json_array(*found.subquery("r").c)))

    return built


def statement(build: Callable[[IncomingRows], Executable]) -> Statement:
    """A change for `Session.run`, or a query for `Session.first`."""
    return cache(lambda dialect: build(IncomingRows(dialect)))


def parameter(name: str, kind: TypeEngine[Any] = BIG) -> Any:
    """A parameter of a statement."""
    return bindparam(name, type_=kind)


def packed_bytes(row: FromClause) -> Any:
    """The bytes of a row, cut out of the parameter `content` by the row's `start` and `size`."""
    content = bindparam("content", type_=LargeBinary())
    return func.substr(content, row.c.start, row.c.size, type_=LargeBinary())
