"""What requests take that is described by another draft: a variant of it, or a JSON merge patch.

A merge patch (RFC 7396) has any of the members, each with its new value, or null to remove it. Whether the
result has all that it needs, no schema of the patch can say.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel

Schema = dict[str, Any]
Schemas = Mapping[str, Schema]
_NULL: Schema = {"type": "null"}
# What a change need not have, and names that a part may not share with a schema of its own.
_DROPPED = frozenset({"required", "default", "title", "allOf", "if", "then"})


class DerivedSchema(Protocol):
    """A schema of its own, by its `name`, made of that of `draft`."""

    @property
    def name(self) -> str: ...

    @property
    def draft(self) -> type[BaseModel]: ...

    def schema(self, known: Schemas) -> Schema:
        """`known` are the definitions of drafts, by their names."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A draft `without` some fields, of which others are `required`. `description` says what it is."""

    name: str
    draft: type[BaseModel]
    description: str
    without: tuple[str, ...] = ()
    required: tuple[str, ...] = ()

    def schema(self, known: Schemas) -> Schema:
        whole = known[self.draft.__name__]
        properties = _without(whole["properties"], self.without)
        for name in self.required:
            options = [each for each in properties[name]["anyOf"] if each != _NULL]
            properties[name] = options[0] | {"title": properties[name]["title"]}
        required = [*self.required, *whole.get("required", ())]
        head = {"title": self.name, "description": self.description}
        return {**whole, **head, "properties": properties, "required": required}


@dataclass(frozen=True, slots=True, kw_only=True)
class Patch:
    """The merge patch of a `draft`, `without` what cannot be changed."""

    draft: type[BaseModel]
    without: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.draft.__name__}Patch"

    def schema(self, known: Schemas) -> Schema:
        patched = _patched(known[self.draft.__name__], known)
        properties = _without(patched["properties"], self.without)
        description = f"A JSON merge patch (RFC 7396) of a {self.draft.__name__}; null removes a member."
        return {**patched, "title": self.name, "description": description, "properties": properties}


def merge_patch(taken: Patch | type[BaseModel]) -> Mapping[str, Any]:
    """What an operation takes that patches; any JSON type is read as this one.

    The document has one type alone: clients that are generated from it choose no other.
    """
    return {"application/merge-patch+json": taken}


def _without(properties: Schema, names: Collection[str]) -> Schema:
    return {name: each for name, each in properties.items() if name not in names}


def _patched(schema: Schema, known: Schemas) -> Schema:
    whole = _resolved(schema, known)
    if "enum" in whole:
        return schema
    kept = _without(whole, _DROPPED)
    # Without one of these the result would be refused.
    needed = whole.get("required", ())
    for several in ("anyOf", "oneOf"):
        if several in kept:
            kept[several] = [_patched(each, known) for each in kept[several]]
    if "properties" in kept:
        kept["properties"] = {
            name: _patched(each, known) if name in needed else _or_null(_patched(each, known))
            for name, each in kept["properties"].items()
        }
    if isinstance(kept.get("additionalProperties"), dict):
        kept["additionalProperties"] = _or_null(kept["additionalProperties"])
    return kept


def _resolved(schema: Schema, known: Schemas) -> Schema:
    """The definition that `schema` refers to, alone or as all of its `allOf`."""
    (only,) = schema["allOf"] if len(schema.get("allOf", ())) == 1 else (schema,)
    reference = only.get("$ref")
    return schema if reference is None else known[reference.rpartition("/")[2]]


def _or_null(schema: Schema) -> Schema:
    return schema if _NULL in schema.get("anyOf", ()) else {"anyOf": [schema, _NULL]}
