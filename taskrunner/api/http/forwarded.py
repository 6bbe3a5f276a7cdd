"""The grammar of `Forwarded` (RFC 7239) and of the `X-Forwarded-…` headers before it."""

import re
from collections.abc import Mapping, Sequence

from taskrunner.domain.targets.address import Address, parse_address

UNKNOWN = "unknown"
# RFC 9110 5.6.2 and 5.6.4. Without quotes, a value has neither colons nor brackets.
_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\uffff]|\\[\t \x21-\x7e\x80-\uffff])*"'
_PAIR = re.compile(rf"({_NAME})=({_NAME}|{_QUOTED})")
_SPACE = re.compile(r"[ \t]*")
_ESCAPED = re.compile(r"\\(.)")
# RFC 7239 section 6: a name that a proxy gives to a client that it does not tell.
_HIDDEN = re.compile(r"_[A-Za-z0-9._-]+")
_PORT = r"(?::(?:[0-9]{1,5}|_[A-Za-z0-9._-]+))?"
_NODE = re.compile(rf"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<name>[^\[\]:]+)){_PORT}")
# RFC 3986 3.3, without the comma of lists. Two slashes at the beginning would name another host.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|$))(?:[A-Za-z0-9._~!$&'()*+;=:@-]|%[0-9A-Fa-f]{2})+)*")

Element = Mapping[str, str]


def read_forwarded(text: str) -> Sequence[Element]:
    """The elements of all `Forwarded` lines, joined by commas. Raises `ValueError` for a breach of section 4.

    Names of parameters are in lower case. Blanks around `;` are taken, too, since proxies send them.
    """
    elements: list[Element] = []
    element: dict[str, str] = {}
    place = _after_space(text, 0)
    while place < len(text):
        if text[place] not in ",;":
            found = _PAIR.match(text, place)
            if found is None:
                raise ValueError("is not name=value pairs, as RFC 7239 section 4 has them")
            name, value = found[1].lower(), found[2]
            if name in element:
                raise ValueError(f"gives {name} twice in one element (RFC 7239 section 4)")
            element[name] = _ESCAPED.sub(r"\1", value[1:-1]) if value.startswith('"') else value
            place = _after_space(text, found.end())
            if place < len(text) and text[place] not in ",;":
                raise ValueError("needs , or ; between two pairs (RFC 7239 section 4)")
        if place < len(text):
            if text[place] == "," and element:
                elements.append(element)
                element = {}
            place = _after_space(text, place + 1)
    return [*elements, element] if element else elements


def read_list(text: str) -> Sequence[str]:
    """The members of a list; empty ones do not count (RFC 9110 5.6.1.2)."""
    return [part.strip(" \t") for part in text.split(",") if part.strip(" \t")]


def read_node(text: str) -> Address | str:
    """Whom a proxy names: an address without its port, a hidden name, or `UNKNOWN` (section 6).

    `X-Forwarded-For` also has IPv6 addresses without brackets. Whatever is no node at all is unknown.
    """
    bare = parse_address(text)
    if bare is not None:
        return plain(bare)
    found = _NODE.fullmatch(text)
    if found is None:
        return UNKNOWN
    address = parse_address(found["v6"] or found["name"])
    if address is not None and (address.version == 6) == (found["v6"] is not None):
        return plain(address)
    name = found["name"] or ""
    return name if _HIDDEN.fullmatch(name) else UNKNOWN


def plain(address: Address) -> Address:
    """IPv4 as such: a socket that serves both families has ::ffff:1.2.3.4 (RFC 4291 2.5.5.2)."""
    mapped = address.ipv4_mapped if address.version == 6 else None
    return address if mapped is None else mapped


def read_proto(text: str) -> str:
    """Raises `ValueError`."""
    if text.lower() not in {"http", "https"}:
        raise ValueError("must be http or https")
    return text.lower()


def read_prefix(text: str) -> str:
    """The path before our own, without its last slash. Raises `ValueError`."""
    prefix = text.rstrip("/")
    if not _PREFIX.fullmatch(prefix):
        raise ValueError("must be a path such as /queue")
    return prefix


def _after_space(text: str, place: int) -> int:
    found = _SPACE.match(text, place)
    return place if found is None else found.end()
