"""What a JSON Schema may hold, so that no schema and no data can keep a process busy.

A schema refers only to parts of its own, and the checks that it needs for a value are counted: those of all
keywords that may look at the value, however often references lead to them. A part that refers to itself, also
by way of others, is checked once for each value, since the validator remembers the answer.
"""

from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import unquote

from taskrunner.domain.executors.pattern_size import pattern_size
from taskrunner.domain.messages import shown

# At one value of the data. Schemas that programs generate from types have some dozens.
MAX_CHECKS = 4000
# In one schema, so that to count its checks takes less than 0.1 s.
MAX_PARTS = 500
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


def _merged(*groups: _Keywords) -> _Keywords:
    return _Keywords(*(sum(names, start=()) for names in zip(*groups, strict=True)))


_ALL_CHECKED = _merged(_SAME, *_OBJECT, *_ARRAY)
_ALL = _merged(_ALL_CHECKED, _NOT_CHECKED)


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
    cost = _Parts(schema).cost()
    if cost.checks > MAX_CHECKS:
        raise ValueError(f"needs more than {MAX_CHECKS} checks of one value; let it have fewer parts")
    if cost.pattern_steps > MAX_PATTERN_SIZE:
        raise ValueError(
            f"pattern: all patterns are {cost.pattern_steps} characters long with their counts written out, "
            f"and at most {MAX_PATTERN_SIZE} are allowed"
        )
    return cost


class _Parts:
    """The schemas in a schema, by number, and where their references lead. The first is the whole schema."""

    def __init__(self, root: Part) -> None:
        self._root = root
        self._all = list(islice(_all_parts(root), MAX_PARTS + 1))
        if len(self._all) > MAX_PARTS:
            raise ValueError(f"has more than {MAX_PARTS} schemas in it; let it have fewer parts")
        self._anchors: dict[str, Part] = {}
        for part in self._all:
            self._check_part(part)
        # References to `true` and `false` lead to it.
        self._all.append({})
        self._numbers = {id(part): number for number, part in enumerate(self._all)}
        self._targets = {
            number: self._find(part["$ref"]) for number, part in enumerate(self._all) if "$ref" in part
        }
        self._same = [self._numbered(part, _SAME) for part in self._all]
        self._below = [
            [(self._numbered(part, either), self._numbered(part, several)) for part in self._all]
            for either, several in _BELOW
        ]
        self._recursive = self._find_recursive()

    def cost(self) -> SchemaCost:
        most = self._most(followed=False)
        patterns = sum(
            pattern_size(text)
            for part in self._all
            for text in (part.get("pattern", ""), *part.get("patternProperties", ()))
            if text
        )
        # Each target is remembered for itself, whoever refers to it.
        remembered = [0, *(self._targets[number] for number in self._recursive)]
        return SchemaCost(
            checks=int(sum(most[number] for number in remembered)),
            findings=int(self._most(followed=True)[0] if self._recursive else most[0]),
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
                f"$ref: {shown(reference)} is not part of this schema; copy it to $defs, and refer to it as "
                "#/$defs/NAME"
            )

    def _find(self, reference: str) -> int:
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
        # What stands under an unknown keyword is no schema: nothing has checked it.
        number = len(self._all) - 1 if isinstance(found, bool) else self._numbers.get(id(found))
        if number is None:
            raise ValueError(f"$ref: {shown(reference)} is not part of this schema")
        return number

    def _numbered(self, part: Part, keywords: _Keywords) -> list[int]:
        return [self._numbers[id(each)] for each in _parts(part, keywords)]

    def _find_recursive(self) -> list[int]:
        """The parts whose references lead back to them."""
        # Sets of numbers, as bits; S. Warshall, "A Theorem on Boolean Matrices", 1962.
        reached = [
            1 << number | sum(1 << each for each in {*self._numbered(part, _ALL_CHECKED)})
            for number, part in enumerate(self._all)
        ]
        for number, target in self._targets.items():
            reached[number] |= 1 << target
        for middle in range(len(reached)):
            for number, others in enumerate(reached):
                if others >> middle & 1:
                    reached[number] = others | reached[middle]
        return [number for number, target in self._targets.items() if reached[target] >> number & 1]

    def _most(self, *, followed: bool) -> list[float]:
        """The most checks of one value, at any depth in the one that each part is for.

        `followed`: through references that are recursive, too. All numbers are bounded: of parts, of depths,
        and of checks.
        """
        same, own = [*map(list, self._same)], [float(_own_checks(part)) for part in self._all]
        for number, target in self._targets.items():
            if followed or number not in self._recursive:
                same[number].append(target)
            else:
                own[number] += 1
        try:
            order = [*TopologicalSorter(dict(enumerate(same))).static_order()]
        except CycleError as exc:
            raise ValueError(
                "$ref: a part refers to itself for the same value, so its check would not end"
            ) from exc
        counts = most = _summed(own, same, order)
        for _ in range(_MAX_DATA_DEPTH):
            # The first step on the way leads into an object or into an array.
            kinds = [_summed(_one_level_down(counts, below), same, order) for below in self._below]
            counts = [*map(max, *kinds)]
            most = [*map(max, most, counts)]
        return most


def _one_level_down(counts: list[float], below: list[tuple[list[int], list[int]]]) -> list[float]:
    return [
        max((counts[each] for each in either), default=0.0) + sum(counts[each] for each in several)
        for either, several in below
    ]


def _summed(own: list[float], same: list[list[int]], order: list[int]) -> list[float]:
    """The checks of each part and of all that look at the same value."""
    counts = own.copy()
    for number in order:
        # More makes no difference, and would soon be more than a number can hold.
        counts[number] = min(counts[number] + sum(counts[each] for each in same[number]), MAX_CHECKS + 1.0)
    return counts


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
        waiting += _parts(part, _ALL)
