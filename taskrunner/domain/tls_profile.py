"""TLS profiles: client certificates and trusted authorities by name, and which of them a URL gets.

A profile with `hosts` is for these, without being named, and for no others: an operator can so say where a
certificate may be shown. One without is for the tasks that name it, wherever they lead.
"""

from collections.abc import Mapping

from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.url import Url
from taskrunner.domain.value import Value

# By the name of each profile its hosts: what whoever checks a task needs to know.
ProfileHosts = Mapping[str, tuple[str, ...]]


class TlsProfile(Value):
    """Paths of PEM files. Without `ca_file` the system's authorities count; without `cert_file` there is no
    client certificate; its key is in `key_file`, or else in `cert_file` too.

    `hosts` are names, addresses, and `*.example.com` for every name below that; each on every port, or with
    a `:port` (an IPv6 address then in brackets) on that alone.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password_file: str | None = None
    hosts: tuple[str, ...] = ()


def check_profile(name: str, url: Url, known: ProfileHosts) -> None:
    """Whether a task for `url` may name a profile. Raises `ValueError` with the reason."""
    if name not in known:
        raise ValueError(f"no TLS profile is configured by the name {shown(name)}{did_you_mean(name, known)}")
    if url.scheme != "https":
        raise ValueError("is for https, and the URL is http")
    if known[name] and not any(_covers(pattern, url) for pattern in known[name]):
        raise ValueError(f"names a TLS profile that is not for the host {shown(url.host)}, port {url.port}")


def profile_for(url: Url, known: ProfileHosts) -> str | None:
    """The profile that `url` gets without being asked; of several the one that says its host most closely."""
    if not known or url.scheme != "https":
        return None
    fitting = [
        (_closeness(pattern), name)
        for name, hosts in known.items()
        for pattern in hosts
        if _covers(pattern, url)
    ]
    return max(fitting)[1] if fitting else None


def split_port(pattern: str) -> tuple[str, str]:
    """The host of a pattern, without brackets, and its port, '' for none."""
    host, _, port = pattern.rpartition(":")
    if not port.isdecimal() or (":" in host and not host.endswith("]")):
        host, port = pattern, ""
    return host.removeprefix("[").removesuffix("]"), port


def _covers(pattern: str, url: Url) -> bool:
    host, port = split_port(pattern)
    if port and int(port) != url.port:
        return False
    name = url.host.removesuffix(".")
    return name.endswith(host[1:]) if host.startswith("*.") else name == host


def _closeness(pattern: str) -> tuple[bool, int, bool]:
    """A host before a suffix, a longer suffix before a shorter, one with a port before one without."""
    host, port = split_port(pattern)
    return not host.startswith("*."), len(host), port != ""
