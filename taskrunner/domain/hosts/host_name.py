"""Host names, by which attempts are counted and limited, and the patterns of host limits.

A host name is the authority of a URL: `example.com`, `example.com:8443`, `[2001:db8::1]:8080`. It has a port
unless that is 80 or 443, since another port usually means another server. Attempts count for the host of the
task's URL, wherever redirects lead.
"""

import re
from collections.abc import Iterator

from taskrunner.domain.messages import shown
from taskrunner.domain.targets.url import LAST_PORT, parse_url, spell_host

_PATTERN = re.compile(r"(?P<below>\*\.)?(?P<host>\*|\[[^]]*\]|[^][:*]+)(?::(?P<port>[1-9][0-9]{0,4}))?")
_MAX_CHARS = 260
# The default ports of https and http are not part of a host name.
_DEFAULT_PORTS = ("443", "80")
_DEFAULT_PORT_SUFFIXES = tuple(f":{port}" for port in _DEFAULT_PORTS)


def host_of(url: str) -> str:
    """The host of a canonical URL; some harmless text for anything else."""
    parts = url.split("/", 3)
    host = parts[2] if len(parts) > 2 else ""
    if "@" in host:
        host = host.rpartition("@")[2]
    if ".:" in host or host.endswith("."):
        # The absolute name of the same server: a trailing dot must not evade a limit.
        host = host.replace(".:", ":").rstrip(".")
    return host.rpartition(":")[0] if host.endswith(_DEFAULT_PORT_SUFFIXES) else host


def check_host_name(text: str) -> str:
    """The host name that a user gives, as `host_of` spells it. Raises `ValueError`."""
    spelt = check_pattern(text)
    try:
        return host_of(parse_url(f"http://{spelt}/").text)
    except ValueError as exc:
        raise ValueError(f"must be one host, with or without :port, got {shown(text)}") from exc


def check_pattern(pattern: str) -> str:
    """`*`, `*.example.com` (all below it), or a host; each with or without `:port`. Raises `ValueError`."""
    spelt = pattern.strip()
    # Removes the dot of an absolute name, but not of `*.`: a forgotten suffix must not match every host.
    if spelt != "*." and not spelt.startswith("*.:"):
        spelt = spelt.replace(".:", ":").removesuffix(".")
    match = _PATTERN.fullmatch(spelt)
    try:
        if len(spelt) > _MAX_CHARS or match is None or int(match["port"] or 0) > LAST_PORT:
            raise ValueError("is not a pattern")
        return _spelt(match)
    except ValueError as exc:
        raise ValueError(
            f"must be a host, *.example.com or *, with or without :port, got {shown(pattern)}"
        ) from exc


def patterns_for(host: str) -> Iterator[str]:
    """All patterns that match a host, as `host_of` names it, the most specific first.

    The host comes first, then suffixes from long to short; each with the port before without. A pattern
    without a port matches every port; one with port 80 or 443 also matches hosts without a port.
    """
    name, port = _split(host)
    ports = (port,) if port else _DEFAULT_PORTS
    suffixes = (f"*{name[at:]}" for at, char in enumerate(name) if char == ".")
    for pattern in (name, *suffixes, "*"):
        yield from (f"{pattern}:{each}" for each in ports)
        yield pattern


def _spelt(match: re.Match[str]) -> str:
    """The spelling of hosts in canonical URLs; any other would never match. Raises `ValueError`."""
    below, host, port = match["below"] or "", match["host"], match["port"]
    if host == "*" and not below:
        name = host
    elif below and host.startswith("["):
        raise ValueError("an address has no subdomains")
    else:
        name = spell_host(host)
    return f"{below}{name}:{port}" if port else f"{below}{name}"


def _split(host: str) -> tuple[str, str]:
    """The name and the port, '' for none."""
    name, colon, port = host.rpartition(":")
    return (name, port) if colon and port.isdigit() else (host, "")
