"""TLS profiles: named client certificates and trusted authorities, and which profile a URL gets.

A profile with `hosts` applies to these hosts, even if a task does not name it, and to no others: an operator
decides where a certificate may be shown. A profile without `hosts` applies to the tasks that name it.
"""

from collections.abc import Mapping

from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.targets.url import Url
from taskrunner.domain.targets.url_pattern import covers, specificity
from taskrunner.domain.value import Value

# The hosts of each profile, by its name: what the check of a task needs.
ProfileHosts = Mapping[str, tuple[str, ...]]


class TlsProfile(Value):
    """Paths of PEM files. Without `ca_file` the system's authorities are trusted; without `cert_file` there
    is no client certificate; without `key_file` its key is in `cert_file`.

    `hosts` are patterns of `url_pattern`.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    key_password_file: str | None = None
    hosts: tuple[str, ...] = ()


def check_profile(name: str, url: Url, known: ProfileHosts) -> None:
    """Raises `ValueError` with the reason if a task for `url` may not name this profile."""
    if name not in known:
        raise ValueError(f"no TLS profile is configured by the name {shown(name)}{did_you_mean(name, known)}")
    if url.scheme != "https":
        raise ValueError("is for https, and the URL is http")
    if known[name] and not any(covers(pattern, url) for pattern in known[name]):
        raise ValueError(f"names a TLS profile that is not for the host {shown(url.host)}, port {url.port}")


def profile_for(url: Url, known: ProfileHosts) -> str | None:
    """The profile that `url` gets if its task names none: the one with the most specific pattern."""
    if not known or url.scheme != "https":
        return None
    fitting = [
        (specificity(pattern), name)
        for name, hosts in known.items()
        for pattern in hosts
        if covers(pattern, url)
    ]
    return max(fitting)[1] if fitting else None
