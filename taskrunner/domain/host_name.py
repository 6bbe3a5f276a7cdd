"""A host: what host_settings counts by, and the patterns by which limits name hosts.

A host's name is its URLs' authority: `example.com`, `example.com:8443`, `[2001:db8::1]:8080`. The port is
part of it unless it is http's or https's own, since another port mostly is another server. It is the host
that a task names: where redirects lead is not counted.
"""

import re
from collections.abc import Iterator

from taskrunner.domain.messages import shown
from taskrunner.domain.url import LAST_PORT, parse_url, spell_host

_PATTERN = re.compile(r"(?P<below>\*\.)?(?P<host>\*|\[[^]]*\]|[^][:*]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
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
    spelt = pattern.strip()
    # The dot of an absolute name; of `*.`, a suffix that was forgotten, nobody is to make every host.
    if spelt != "*." and not spelt.startswith("*.:"):
        spelt = spelt.replace(".:", ":").removesuffix(".")
    match = _PATTERN.fullmatch(spelt)
    try:
        if len(spelt) > _MAX_CHARS or match is None or int(match["port"] or 0) > LAST_PORT:
            raise ValueError("is no pattern")
        return _spelt(match)
    except ValueError as exc:
        raise ValueError(
            f"must be a host, *.example.com or *, with or without :port, got {shown(pattern)}"
        ) from exc


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


def _spelt(match: re.Match[str]) -> str:
    """As the hosts of URLs are spelt: a limit of any other spelling would never hold. Raises `ValueError`."""
    below, host, port = match["below"] or "", match["host"], match["port"]
    if host == "*" and not below:
        name = host
    elif below and host.startswith("["):
        raise ValueError("nothing is below an address")
    else:
        name = spell_host(host)
    return f"{below}{name}:{port}" if port else f"{below}{name}"


def _split(host: str) -> tuple[str, str]:
    """The name and the port, '' for none."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdigit() else (host, "")
