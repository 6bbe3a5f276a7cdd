"""Where a redirect leads: its Location, resolved against the URL of the request (RFC 3986 section 5).

`urllib.parse.urljoin` is not used: it drops an empty query, and treats some dot segments otherwise.
"""

import re
from urllib.parse import quote

from taskrunner.domain.targets.url import DEFAULT_PORTS, LAST_PORT, Url, parse_url

# RFC 3986, appendix B, with the scheme of 3.1. A path has no colon before its first slash (4.2).
_REFERENCE = re.compile(
    r"(?:(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*):|(?![^/?#]*:))"
    r"(?://(?P<authority>[^/?#]*))?(?P<path>[^?#]*)(?:\?(?P<query>[^#]*))?(?:#.*)?",
    re.DOTALL,
)
_HOST_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([0-9]*))?")
# Printable ASCII characters stay as they are, so that nothing is percent-encoded twice.
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F))
# Another parser may read another host, or an address, from an authority like these.
_MISLEADING = re.compile(r"[@\\\[\]%]|[^\x00-\x7f]|(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?(?::|$)", re.IGNORECASE)


class LocationMalformed(ValueError):
    """The Location is no reference to a URL. The message is a reason without a byte of the peer."""


def resolve(base: Url, location: str) -> str:
    """The URL that `location` means, without its fragment. The text still has to pass the checks of intake.

    `location` is the header's value in Latin-1. All but ASCII is percent-encoded; a host is UTF-8.
    Raises `LocationMalformed`; not for a URL that could mislead, which the checks of intake refuse.
    """
    match = _REFERENCE.fullmatch(location)
    if match is None:
        raise LocationMalformed("it is not a URI reference")
    scheme = (match["scheme"] or base.scheme).lower()
    if scheme not in DEFAULT_PORTS:
        return location
    if match["scheme"] and match["authority"] is None:
        raise LocationMalformed("it has no // behind the scheme")
    if match["authority"] is None:
        return _within(base, match["path"], match["query"])
    authority = _authority(match["authority"])
    text = f"{scheme}://{authority}{_recomposed(_without_dots(match['path']), match['query'])}"
    _check(text, authority)
    return text


def _within(base: Url, path: str, query: str | None) -> str:
    """RFC 3986 5.2.2 for a reference without scheme and authority."""
    origin = base.text[: -len(base.target)]
    base_path, mark, base_query = base.target.partition("?")
    if not path:
        text = origin + base_path
        text += f"?{_encoded_query(query)}" if query is not None else mark + base_query
    else:
        merged = path if path.startswith("/") else base_path[: base_path.rindex("/") + 1] + path
        text = origin + _recomposed(_without_dots(merged), query)
    _check(text, "")
    return text


def _recomposed(path: str, query: str | None) -> str:
    encoded = quote(path.encode("latin-1"), safe=_PRINTABLE)
    return encoded if query is None else f"{encoded}?{_encoded_query(query)}"


def _encoded_query(query: str) -> str:
    return quote(query.encode("latin-1"), safe=_PRINTABLE.replace("\\", ""))


def _authority(text: str) -> str:
    """In the spelling that intake takes: the port may be empty, or have zeros before it (RFC 3986 3.2.3)."""
    try:
        authority = text.encode("latin-1").decode()
    except UnicodeDecodeError as exc:
        raise LocationMalformed("its host is neither ASCII nor UTF-8") from exc
    if not authority:
        raise LocationMalformed("it has no host")
    match = _HOST_PORT.fullmatch(authority)
    if match is None or not match[2]:
        return authority if match is None else match[1] or authority
    return f"{match[1]}:{match[2].lstrip('0') or '0'}"


def _check(text: str, authority: str) -> None:
    try:
        parse_url(text)
    except ValueError as exc:
        match = _HOST_PORT.fullmatch(authority)
        port = match[2] if match else None
        if port is not None and not (len(port) <= len(str(LAST_PORT)) and 0 < int(port) <= LAST_PORT):
            raise LocationMalformed(f"its port is not 1 to {LAST_PORT}") from exc
        if not _MISLEADING.search(authority):
            raise LocationMalformed("its host, port or path is not that of a URL") from exc


def _without_dots(path: str) -> str:
    """RFC 3986 5.2.4, for a path that is empty or begins with a slash."""
    if "/." not in path:
        return path
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == ".." and kept:
            kept.pop()
        elif segment not in {".", ".."}:
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)
