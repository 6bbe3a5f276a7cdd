"""A host: what politeness counts by, and the patterns by which limits name hosts.

A host's name is its URLs' authority: `example.com`, `example.com:8443`, `[2001:db8::1]:8080`. The port is
part of it unless it is http's or https's own, since another port mostly is another server. It is the host
that a task names: where redirects lead is not counted.
"""

import re
from collections.abc import Iterator

from taskrunner.domain.address import Address, parse_address
from taskrunner.domain.url import LAST_PORT, parse_url
from taskrunner.domain.wording import shown

_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_PATTERN = re.compile(
    rf"(?P<any>\*)?(?(any)(?:\.{_LABEL})*|(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-f:.]+\]))(?::(?P<port>[1-9][0-9]{{0,4}}))?"
)
_MAX_CHARS = 260
# Of https and of http: a host's name has neither.
_OWN_PORTS = ("443", "80")
_OWN_ENDS = tuple(f":{port}" for port in _OWN_PORTS)


def host_of(url: str) -> str:
    """The host of a URL in its one spelling; of any other text something that harms nobody."""
    parts = url.split("/", 3)
    host = parts[2] if len(parts) > 2 else ""
    if "@" in host:
        host = host.rpartition("@")[2]
    if ".:" in host or host.endswith("."):
        # The same server by its absolute name: nobody is to escape a limit by a dot.
        host = host.replace(".:", ":").rstrip(".")
    return host.rpartition(":")[0] if host.endswith(_OWN_ENDS) else host


def check_host_name(text: str) -> str:
    """The host that people mean, as `host_of` names it. Raises `ValueError`."""
    spelt = check_pattern(text)
    try:
        return host_of(parse_url(f"http://{spelt}/").text)
    except ValueError as exc:
        raise ValueError(f"must be one host, with or without :port, got {shown(text)}") from exc


def check_pattern(pattern: str) -> str:
    """`*`, `*.example.com` (all below it), or a host; each with or without `:port`. Raises `ValueError`."""
    spelt = pattern.strip().lower()
    # The dot of an absolute name; of `*.`, a suffix that was forgotten, nobody is to make every host.
    if spelt != "*." and not spelt.startswith("*.:"):
        spelt = spelt.replace(".:", ":").removesuffix(".")
    match = _PATTERN.fullmatch(spelt)
    address = _ipv6(spelt)
    if (
        len(spelt) > _MAX_CHARS
        or match is None
        or int(match["port"] or 0) > LAST_PORT
        or (address is None and "[" in spelt)
    ):
        raise ValueError(f"must be a host, *.example.com or *, with or without :port, got {shown(pattern)}")
    return spelt if address is None else f"[{address}]{spelt.rpartition(']')[2]}"


def patterns_for(host: str) -> Iterator[str]:
    """All patterns that hold for a host, as `host_of` gives it, the most specific first.

    The host, then the longer suffix; of the same one that with the port. Without one it is for every port;
    with one of http's or https's own, for hosts without one, too.
    """
    name, port = _split(host)
    ports = (port,) if port else _OWN_PORTS
    suffixes = (f"*{name[at:]}" for at, char in enumerate(name) if char == ".")
    for pattern in (name, *suffixes, "*"):
        yield from (f"{pattern}:{each}" for each in ports)
        yield pattern


def _ipv6(pattern: str) -> Address | None:
    """The address in brackets, which has many spellings, and URLs have it in one."""
    address = parse_address(pattern.rpartition("]")[0].removeprefix("["))
    return None if address is None or address.version == 4 else address


def _split(host: str) -> tuple[str, str]:
    """The name and the port, '' for none."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdigit() else (host, "")
