"""Patterns that say for which URLs a TLS profile or a secret may be used.

A pattern is a name, an address, or `*.example.com` for all subdomains; on every port, or with `:port` only on
that one (an IPv6 address is then in brackets).
"""

from taskrunner.domain.backends.service_url import shown_place
from taskrunner.domain.targets.url import LAST_PORT, Url, spell_host

ANY_HOST = "*"


def spell_pattern(pattern: str) -> str:
    """The one spelling, of which the host is that of URLs: no other would ever match. Raises `ValueError`."""
    host, port = _split_port(pattern)
    name = host.removesuffix(".").removeprefix("*.")
    spelt = spell_host(f"[{name}]" if ":" in name else name).strip("[]")
    host = f"*.{spelt}" if host.startswith("*.") else spelt
    if not port:
        return host
    if not 0 < int(port) <= LAST_PORT:
        raise ValueError(f"{port} is not a port")
    return shown_place((host, int(port)))


def covers(pattern: str, url: Url) -> bool:
    """Whether a pattern matches a URL; `ANY_HOST` matches all."""
    host, port = _split_port(pattern)
    if port and int(port) != url.port:
        return False
    name = url.host.removesuffix(".")
    return host == ANY_HOST or (name.endswith(host[1:]) if host.startswith("*.") else name == host)


def specificity(pattern: str) -> tuple[bool, int, bool]:
    """Sorts a host above a suffix, a longer suffix above a shorter, with a port above without."""
    host, port = _split_port(pattern)
    return not host.startswith("*."), len(host), port != ""


def _split_port(pattern: str) -> tuple[str, str]:
    """The host of a pattern, without brackets, and its port, '' for none."""
    host, _, port = pattern.rpartition(":")
    if not port.isdecimal() or (":" in host and not host.endswith("]")):
        host, port = pattern, ""
    return host.removeprefix("[").removesuffix("]"), port
