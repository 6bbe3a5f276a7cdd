"""JSON text is cut into members and elements, never parsed and written anew: the bytes stay as they came.

Other parsers lose what RFC 8259 allows: exact numbers, repeated members, escaped lone surrogates.
"""

import json
import re
from collections.abc import Callable, Container, Mapping
from functools import cache
from json.decoder import scanstring  # type: ignore[attr-defined]  # typeshed does not list it
from typing import Any

import msgspec

BOM = b"\xef\xbb\xbf"
# RFC 8259 section 9 lets a parser limit the depth; targets have limits of their own.
MAX_DEPTH = 32
_TWICE = "is given more than once; give it once"

# Each string of a valid text in turn, a name with the string that is its value; names have a colon.
_STRING = re.compile(rb'"([^"\\]*(?:\\.[^"\\]*)*)"(?:\s*(:)(?:\s*"[^"\\]*(?:\\.[^"\\]*)*")?)?', re.DOTALL)
_MEMBERS = msgspec.json.Decoder(dict[str, msgspec.Raw])
# Leaves quotes and brackets, all of one kind.
_MARKS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes({*range(256)} - {*b'"[]{}'})
_STRING_MARKS = re.compile(b'"[^"]*"')
_BLANK = r"[ \t\n\r]*"
_START = {each: re.compile(_BLANK + re.escape(each) + _BLANK) for each in '{[:"'}
_END = re.compile(rf"{_BLANK}\Z")
_NEXT = re.compile(rf"{_BLANK}([,}}\]]){_BLANK}")


class JsonUnfit(ValueError):
    """JSON that is malformed, too deep, or has a member twice; `path` names the member."""

    def __init__(self, reason: str, path: str = "") -> None:
        self.reason = reason
        self.path = path
        super().__init__(f"{path}: {reason}" if path else reason)


class JsonText(str):
    """A valid JSON object or array, as it came."""

    __slots__ = ()


def set_aside(raw: bytes, name: str, *, depth: int = MAX_DEPTH) -> tuple[bytes, bool]:
    """`raw` with its object or array `name` replaced by a string that holds its text; whether there was one.

    All other members are ours: raises `JsonUnfit` if one is given twice. A text that is malformed
    elsewhere is returned unchanged, for a parser that reports the error.
    """
    if not _opening(name).search(raw):
        if _is_distinct(raw):
            return raw, False
    elif (found := _cut(raw, name, depth)) is not None:
        return found, True
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw, False
    given = members(text, opaque=name)
    value = given.get(name, "")
    if not value.startswith(("{", "[")):
        return raw, False
    _check_part(value.encode(), name, depth)
    return join({**given, name: json.dumps(value)}).encode(), True


@cache
def _opening(name: str) -> re.Pattern[bytes]:
    """How a member with an object or array begins; the names are those of our fields."""
    return re.compile(rb'"%b"\s*:\s*[\[{]' % name.encode())


def may_name(raw: bytes, name: str) -> bool:
    """Whether a member may have this name, of letters: any of them may be an escape (RFC 8259 section 7)."""
    return b'"%b"' % name.encode() in raw or b"\\u00" in raw


def set_any_aside(raw: bytes, name: str) -> bytes:
    """As `set_aside`, for a member of any kind. A text that is malformed elsewhere is returned as it is."""
    try:
        found = _MEMBERS.decode(raw)
    except (ValueError, RecursionError):
        return _cut_slowly(raw, name)
    if name not in found:
        return raw
    value = bytes(found[name])
    parts = _around(value, raw)
    if parts is None:
        return _cut_slowly(raw, name)
    _check_part(value, name, MAX_DEPTH)
    return parts[0] + msgspec.json.encode(value.decode()) + parts[1]


def _cut_slowly(raw: bytes, name: str) -> bytes:
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return raw
    given = members(text, opaque=name)
    if name not in given:
        return raw
    _check_part(given[name].encode(), name, MAX_DEPTH)
    return join({**given, name: json.dumps(given[name])}).encode()


def _around(value: bytes, raw: bytes) -> tuple[bytes, bytes] | None:
    """What stands before and after the value of a member; None if that takes a closer look."""
    start = raw.find(value)
    # Also where the two overlap: `":"` is in `"data":":"` twice.
    if start != raw.rfind(value):
        return None
    before, after = raw[:start], raw[start + len(value) :]
    return (before, after) if _is_distinct(before + b"null" + after) else None


def _is_distinct(raw: bytes) -> bool:
    """Whether no name can occur twice in any of the objects; False if that takes a closer look."""
    names = [name for name, colon in _STRING.findall(raw) if colon]
    return len({*names}) == len(names) and (b"\\" not in raw or b"\\" not in b"".join(names))


def check_distinct(text: str, value: Any) -> None:
    """Raises `JsonUnfit` for an object that has a member twice: readers disagree on which of them counts.

    `value` is the text, parsed.
    """
    count = _members_in(value)
    # If no name is followed by a blank, there are at most so many: some may stand in strings.
    if text.count('":') == count and not any(blank in text for blank in ('" ', '"\n', '"\t', '"\r')):
        return
    names = [name for name, colon in _STRING.findall(text.encode("utf-8", "surrogatepass")) if colon]
    if len(names) == count:
        return
    try:
        _OURS.decode(text)
    except _Repeated as exc:
        raise JsonUnfit(_TWICE, exc.name) from exc
    except (ValueError, RecursionError) as exc:
        raise JsonUnfit(f"is not JSON: {exc}") from exc


def _members_in(value: Any) -> int:
    """How many members all objects in a parsed value have."""
    count, waiting = 0, [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            count += len(each)
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
    return count


def _cut(raw: bytes, name: str, depth: int) -> bytes | None:
    """As `set_aside`, for most texts in a tenth of its time; None for the others."""
    try:
        value = bytes(_MEMBERS.decode(raw)[name])
        text = value.decode()
    except (ValueError, KeyError, RecursionError):
        return None
    parts = _around(value, raw)
    if parts is None:
        return None
    _check_part(value, name, depth)
    return parts[0] + msgspec.json.encode(text) + parts[1]


def _check_part(value: bytes, name: str, depth: int) -> None:
    try:
        check_depth(value, depth)
    except JsonUnfit as exc:
        raise JsonUnfit(exc.reason, name) from exc


def decode(raw: bytes) -> str:
    """The text of a document, without a byte order mark (RFC 8259 8.1). Raises `JsonUnfit`."""
    try:
        return raw.removeprefix(BOM).decode().strip()
    except UnicodeDecodeError as exc:
        raise JsonUnfit(f"is not UTF-8: {exc.reason}") from exc


def members(text: str, *, opaque: str | None = None, is_shallow: bool = False) -> dict[str, str]:
    """The members of an object by name, each value as it was written.

    Raises `JsonUnfit`, also for a member that is given twice at any depth, except within `opaque`,
    or within any of them if `is_shallow`.
    """
    # The body of a schedule's task may be as deep as if it stood alone.
    check_depth(text.encode("utf-8", "surrogatepass"), MAX_DEPTH + 2)
    found: dict[str, str] = {}

    def read_one(position: int) -> int:
        name, position = _scan(lambda: scanstring(text, _past('"', text, position)), text, position)
        if name in found:
            raise JsonUnfit(_TWICE, name)
        start = _past(":", text, position)
        try:
            end = _value(text, start, _ANY if is_shallow else _THEIRS if name == opaque else _OURS)
        except _Repeated as exc:
            raise JsonUnfit(_TWICE, f"{name}.{exc.name}") from exc
        except _NotJson as exc:
            raise JsonUnfit(f"{exc} is not JSON (RFC 8259)", name) from exc
        found[name] = text[start:end]
        return end

    _each(text, "{", "}", read_one)
    return found


def elements(raw: bytes) -> list[bytes]:
    """The elements of an array, each as it was written, also where it is not UTF-8. Raises `JsonUnfit`."""
    text = raw.decode("utf-8", "surrogateescape")
    found: list[bytes] = []

    def read_one(start: int) -> int:
        end = _value(text, start, _ANY)
        found.append(text[start:end].encode("utf-8", "surrogateescape"))
        return end

    _each(text, "[", "]", read_one)
    return found


def join(given: Mapping[str, str]) -> str:
    """The object with these members, the inverse of `members`."""
    return "{" + ",".join(f"{json.dumps(name)}:{value}" for name, value in given.items()) + "}"


def merge(target: str, patch: str) -> str:
    """`target` changed by `patch` (RFC 7396 section 2). Raises `JsonUnfit`."""
    if not patch.startswith("{"):
        return patch
    merged = members(target, is_shallow=True) if target.startswith("{") else {}
    for name, value in members(patch, is_shallow=True).items():
        if value == "null":
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name, ""), value)
    return join(merged)


def merge_fields(target: str, patch: str, known: Container[str]) -> str:
    """As `merge`; a null for a member that is not `known` stays, for its validation to refuse it."""
    changes = members(patch, is_shallow=True)
    unknown = {name: value for name, value in changes.items() if value == "null" and name not in known}
    merged = merge(target, patch)
    return join({**members(merged, is_shallow=True), **unknown}) if unknown else merged


def check_depth(raw: bytes, limit: int = MAX_DEPTH) -> None:
    """Raises `JsonUnfit` for values that are nested more than `limit` deep."""
    if raw.count(b"[") + raw.count(b"{") <= limit:
        return
    marks = raw.replace(b"\\\\", b"").replace(b'\\"', b"").translate(_MARKS, _OTHERS).replace(b'""', b"")
    left = _STRING_MARKS.sub(b"", marks)
    # Each turn removes the innermost values; a thousand objects side by side take one turn.
    for _ in range(limit):
        left = left.replace(b"[]", b"")
    if left:
        raise JsonUnfit(f"is nested more than {MAX_DEPTH} deep")


class _NotJson(JsonUnfit):
    """NaN or an infinity, which Python takes for JSON."""


class _Repeated(Exception):
    def __init__(self, name: str) -> None:
        self.name = name


def _distinct(pairs: list[tuple[str, Any]]) -> None:
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            raise _Repeated(name)
        seen.add(name)


def _no_constant(name: str) -> None:
    raise _NotJson(name)


# Numbers are only skipped; Python does not read those of more than 4,300 digits.
_OURS = json.JSONDecoder(
    object_pairs_hook=_distinct, parse_int=len, parse_float=len, parse_constant=_no_constant
)
_THEIRS = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=_no_constant)
# Each element is checked separately, so that a bad one does not refuse the others.
_ANY = json.JSONDecoder(parse_int=len, parse_float=len)


def _value(text: str, start: int, decoder: json.JSONDecoder) -> int:
    """The end of the value at `start`."""
    _, end = _scan(lambda: decoder.raw_decode(text, start), text, start)
    return end


def _scan(scan: Callable[[], tuple[Any, int]], text: str, start: int) -> tuple[Any, int]:
    try:
        return scan()
    except RecursionError as exc:
        raise JsonUnfit(f"is nested more than {MAX_DEPTH} deep") from exc
    except json.JSONDecodeError as exc:
        raise JsonUnfit(f"{exc.msg} at character {exc.pos + 1}") from exc


def _past(mark: str, text: str, position: int) -> int:
    found = _START[mark].match(text, position)
    if found is None:
        raise JsonUnfit(f"{mark} is missing at character {position + 1}")
    # The blanks after a quote belong to the string.
    return found.start() + found[0].index(mark) + 1 if mark == '"' else found.end()


def _each(text: str, opening: str, closing: str, read_one: Callable[[int], int]) -> None:
    """Call `read_one` with the start of each part between the brackets; it answers the end."""
    position = _past(opening, text, 0)
    mark = closing if text.startswith(closing, position) else ","
    if mark == closing:
        position += 1
    while mark == ",":
        position = read_one(position)
        found = _NEXT.match(text, position)
        if found is None or found[1] not in ("," + closing):
            raise JsonUnfit(f", or {closing} is missing at character {position + 1}")
        mark, position = found[1], found.end()
    if not _END.match(text, position):
        raise JsonUnfit(f"there is more after the end, at character {position + 1}")
