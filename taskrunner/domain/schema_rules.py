"""What a JSON Schema may hold, so that no schema and no data can keep a process busy.

A schema refers only to parts of its own, and the checks that it needs for a value are counted: those of all
keywords that may look at the value, however often references lead to them. A part that refers to itself, also
by way of others, is checked once for each value, since the validator remembers the answer.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from taskrunner.domain.messages import shown
from taskrunner.domain.pattern_size import pattern_size

# At one value of the data. Schemas that programs generate from types have some dozens.
MAX_CHECKS = 4000
MAX_PATTERN_SIZE = 10_000
# As deep as data may be.
_MAX_DATA_DEPTH = 32
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_DEFINITIONS = ("$defs", "definitions")
# Each would let a reference mean another schema than the one that is written there.
_REFUSED = {
    "$dynamicRef": "refer to the part with $ref",
    "$dynamicAnchor": "give the part a name in $defs",
    "$recursiveRef": "refer to the part with $ref",
}
Part = Mapping[str, Any]


class _Keywords(NamedTuple):
    """Keywords whose values are a schema, a list of schemas, or schemas by name: 2020-12 Core, section 10."""

    one: tuple[str, ...] = ()
    many: tuple[str, ...] = ()
    named: tuple[str, ...] = ()


# They look at the same value.
_SAME = _Keywords(("not", "if", "then", "else"), ("allOf", "anyOf", "oneOf"), ("dependentSchemas",))
# They look at members or elements, of which each meets one at most of the first in each pair.
_OBJECT = (
    _Keywords(("additionalProperties",), (), ("properties",)),
    _Keywords(("unevaluatedProperties", "propertyNames"), (), ("patternProperties",)),
)
_ARRAY = (_Keywords(("items",), ("prefixItems",)), _Keywords(("contains", "unevaluatedItems")))
_BELOW = (_OBJECT, _ARRAY)
_NOT_CHECKED = _Keywords(("contentSchema",), (), _DEFINITIONS)


class SchemaCost(NamedTuple):
    """What one value may cost: `checks`, and steps for each character of its texts.

    `findings` bounds the checks that are made to tell all findings, which nothing remembers.
    """

    checks: int
    findings: int
    pattern_steps: int


def check_dialect(schema: Any) -> None:
    """Raises `ValueError` for what is no schema of the dialect that we take."""
    if isinstance(schema, bool):
        return
    if not isinstance(schema, dict):
        raise ValueError("must be a JSON Schema: an object, true or false")
    dialect = schema.get("$schema", _DIALECT)
    if not isinstance(dialect, str) or dialect.rstrip("#") != _DIALECT:
        raise ValueError(f"$schema: is {shown(dialect)}, and only {_DIALECT} is known")


def check_schema_rules(schema: Any) -> SchemaCost:
    """The cost of a schema that its meta-schema finds sound. Raises `ValueError` for what it may not hold."""
    if isinstance(schema, bool):
        return SchemaCost(1, 1, 1)
    try:
        cost = _Parts(schema).cost()
    except RecursionError as exc:
        raise ValueError("$ref: a reference leads to hundreds of others, one after the other") from exc
    if cost.checks > MAX_CHECKS:
        raise ValueError(f"needs more than {MAX_CHECKS} checks of one value; let it have fewer parts")
    if cost.pattern_steps > MAX_PATTERN_SIZE:
        raise ValueError(
            f"pattern: all patterns are {cost.pattern_steps} characters long with their counts written out, "
            f"and at most {MAX_PATTERN_SIZE} are allowed"
        )
    return cost


class _Parts:
    """The schemas in a schema, and where their references lead."""

    def __init__(self, root: Part) -> None:
        self._root = root
        self._anchors: dict[str, Part] = {}
        self._counts: dict[tuple[int, bool, int, bool], float] = {}
        self._open: set[tuple[int, bool]] = set()
        self._all = list(_all_parts(root))
        for part in self._all:
            self._check_part(part)
        references = {part["$ref"] for part in self._all if "$ref" in part}
        self._targets = {reference: self._find(reference) for reference in references}
        # By the id of the part that has the reference.
        self._recursive = self._find_recursive()

    def cost(self) -> SchemaCost:
        remembered = [self._root, *self._recursive.values()]
        patterns = sum(
            pattern_size(text)
            for part in self._all
            for text in (part.get("pattern", ""), *part.get("patternProperties", ()))
            if text
        )
        return SchemaCost(
            checks=int(sum(self._most(part, followed=False) for part in remembered)),
            findings=int(self._most(self._root, followed=True)),
            pattern_steps=max(1, patterns),
        )

    def _check_part(self, part: Part) -> None:
        for name, instead in _REFUSED.items():
            if name in part:
                raise ValueError(f"{name}: is not taken; {instead}")
        if part is not self._root and "$id" in part:
            raise ValueError("$id: is for the whole schema; leave it out of its parts")
        if isinstance(anchor := part.get("$anchor"), str):
            self._anchors[anchor] = part
        reference = part.get("$ref", "#")
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise ValueError(
                f"$ref: {shown(reference)} is no part of this schema; copy it to $defs, and refer to it as "
                "#/$defs/NAME"
            )

    def _find(self, reference: str) -> Part:
        """RFC 6901 section 6: a JSON Pointer in a fragment. `true` and `false` are as good as no keyword."""
        fragment = unquote(reference.removeprefix("#"))
        found: Any = self._root
        if fragment and not fragment.startswith("/"):
            found = self._anchors.get(fragment)
        for step in fragment.split("/")[1:] if fragment.startswith("/") else ():
            name = step.replace("~1", "/").replace("~0", "~")
            if isinstance(found, list):
                found = found[int(name)] if name.isdecimal() and int(name) < len(found) else None
            else:
                found = found.get(name) if isinstance(found, dict) else None
        if not isinstance(found, dict | bool):
            raise ValueError(f"$ref: {shown(reference)} is no part of this schema")
        return found if isinstance(found, dict) else {}

    def _find_recursive(self) -> dict[int, Part]:
        """The targets of references from which the same reference can be reached again."""
        found: dict[int, Part] = {}
        reached = {reference: self._reached(target) for reference, target in self._targets.items()}
        for part in self._all:
            if "$ref" in part and id(part) in reached[part["$ref"]]:
                found[id(part)] = self._targets[part["$ref"]]
        # Each target is remembered for itself, whoever refers to it.
        return found

    def _reached(self, start: Part) -> set[int]:
        seen: set[int] = set()
        waiting = [start]
        while waiting:
            part = waiting.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            waiting += (each for keywords in _CHECKED for each in _parts(part, keywords))
            if "$ref" in part:
                waiting.append(self._targets[part["$ref"]])
        return seen

    def _most(self, part: Part, *, followed: bool) -> float:
        depths = range(_MAX_DATA_DEPTH + 1)
        return max(self._count(part, kind, depth, followed) for depth in depths for kind in (False, True))

    def _count(self, part: Part, is_array: bool, depth: int, followed: bool) -> float:
        """The checks of a value that lies so deep in the one that `part` is for.

        The first step on the way leads into an array or into an object. `followed`: through references that
        are recursive, too.
        """
        key = id(part), is_array, depth, followed
        if key not in self._counts:
            same = id(part), followed
            if same in self._open:
                raise ValueError(
                    "$ref: a part refers to itself for the same value, so its check would not end"
                )
            self._open.add(same)
            self._counts[key] = self._sum(part, is_array, depth, followed)
            self._open.discard(same)
        return self._counts[key]

    def _sum(self, part: Part, is_array: bool, depth: int, followed: bool) -> float:
        count = 0.0 if depth else float(_own_checks(part))
        count += sum(self._count(each, is_array, depth, followed) for each in _parts(part, _SAME))
        if "$ref" in part:
            if followed or id(part) not in self._recursive:
                count += self._count(self._targets[part["$ref"]], is_array, depth, followed)
            else:
                count += 0.0 if depth else 1.0
        if depth:
            either, several = _BELOW[is_array]
            before, self._open = self._open, set()
            counts = [self._below(each, depth, followed) for each in _parts(part, either)]
            count += max(counts, default=0.0)
            count += sum(self._below(each, depth, followed) for each in _parts(part, several))
            self._open = before
        # More makes no difference, and would soon be more than a number can hold.
        return min(count, MAX_CHECKS + 1.0)

    def _below(self, part: Part, depth: int, followed: bool) -> float:
        return max(self._count(part, is_array, depth - 1, followed) for is_array in (False, True))


_CHECKED = (_SAME, *_OBJECT, *_ARRAY)


def _own_checks(part: Part) -> int:
    """Keywords that are lists cost as much as the lists are long."""
    return sum(len(value) if isinstance(value, list) else 1 for value in part.values()) or 1


def _parts(part: Part, keywords: _Keywords) -> Iterator[Part]:
    found: list[Any] = [part.get(name) for name in keywords.one]
    for name in keywords.many:
        found += part.get(name, ())
    for name in keywords.named:
        found += part.get(name, {}).values()
    return (each for each in found if isinstance(each, dict))


def _all_parts(root: Part) -> Iterator[Part]:
    """Every schema in `root`, itself included."""
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting += (each for keywords in (*_CHECKED, _NOT_CHECKED) for each in _parts(part, keywords))
