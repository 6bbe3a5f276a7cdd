"""The `Prefer` header (RFC 7240). Only `wait` is honoured; section 2 wants all else to be ignored."""

import re
from collections.abc import Mapping, Sequence

_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*+"'
_VALUE = rf"(?:{_WORD}|{_QUOTED})"
# preference = token [ BWS "=" BWS word ] *( OWS ";" [ OWS parameter ] )
_PREFERENCE = re.compile(
    rf"(?P<name>{_WORD})(?:[ \t]*=[ \t]*(?P<value>{_VALUE}))?"
    rf"(?:[ \t]*;(?:[ \t]*{_WORD}(?:[ \t]*=[ \t]*{_VALUE})?)?)*[ \t]*(?:,|$)"
)
# RFC 9110 5.6.1.2: a list may have empty elements.
_BETWEEN = re.compile(r"[ \t,]*")
_PAIR = re.compile(r"\\(.)")
_SECONDS = re.compile(r"[0-9]+", re.ASCII)
# RFC 9111 section 1.2.2 (delta-seconds): a number that is too large stands for the longest wait.
_MAX_DIGITS = 10


def wait_of(fields: Sequence[str]) -> int | None:
    """For how many seconds a client prefers to wait for the result, None if it does not say."""
    value = preferences(fields).get("wait")
    if value is None or not _SECONDS.fullmatch(value):
        return None
    return int(value.lstrip("0")[:_MAX_DIGITS] or "0")


def preferences(fields: Sequence[str]) -> Mapping[str, str]:
    """The preferences by their names in lower case, "" without a value; of two of one name, the first.

    Nothing is taken from a field that breaks the grammar.
    """
    found: dict[str, str] = {}
    for field in fields:
        for name, value in _pairs(field):
            found.setdefault(name, value)
    return found


def _pairs(field: str) -> Sequence[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    place = _BETWEEN.match(field).end()  # type: ignore[union-attr]  # it also matches nothing
    while place < len(field):
        found = _PREFERENCE.match(field, place)
        if found is None:
            return ()
        pairs.append((found["name"].lower(), _unquoted(found["value"] or "")))
        place = _BETWEEN.match(field, found.end()).end()  # type: ignore[union-attr]  # likewise
    return pairs


def _unquoted(value: str) -> str:
    return _PAIR.sub(r"\1", value[1:-1]) if value.startswith('"') else value
