"""The addresses of the broker and the store: checks, and the parts of the URLs of Sentinels.

Each check raises `ValueError` with the reason and without naming the URL, which may hold a password.
"""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from taskrunner.domain.messages import shown

REDIS_PORT = 6379
SENTINEL_PORT = 26379
# The kind of store that each scheme means.
SCHEMES = {
    "redis": "redis",
    "rediss": "redis",
    "redis+sentinel": "redis",
    "rediss+sentinel": "redis",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
}
SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_SENTINEL_FORM = "redis+sentinel://[user:password@]host[:port],…/service[/number of the database]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelUrl:
    """A Redis that Sentinels watch; each of `addresses` is the `host:port` of a Sentinel.

    `user` and `password` are those of Redis. `tls` also encrypts the connections to the Sentinels.
    """

    addresses: Sequence[str]
    service: str
    db: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool


def check_store_url(url: str) -> str:
    """The URL of a store; a relative path of SQLite starts at the current folder."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError("must start with redis://, redis+sentinel://, postgresql:// or sqlite:///")
    if scheme == "sqlite" and (not rest.startswith("/") or rest in {"/", "/:memory:"} or "?" in rest):
        raise ValueError("must be sqlite:///relative/file or sqlite:////absolute/file")
    if scheme in SENTINEL_SCHEMES:
        read_sentinel_url(urlsplit(url))
    elif SCHEMES[scheme] == "redis":
        parts = split_url(url)
        if not parts.path.strip("/").isdecimal() and parts.path.strip("/"):
            raise ValueError("must be redis://[user:password@]host[:port][/number of the database]")
    return url


def read_sentinel_url(parts: SplitResult) -> SentinelUrl:
    """The parts of a URL with one of `SENTINEL_SCHEMES`."""
    who, _, places = parts.netloc.rpartition("@")
    user, _, password = who.partition(":")
    service, _, db = parts.path.strip("/").partition("/")
    if not service or (db and not db.isdecimal()):
        raise ValueError(f"must be {_SENTINEL_FORM}")
    return SentinelUrl(
        addresses=[check_redis_addr(place, SENTINEL_PORT) for place in places.split(",")],
        service=unquote(service),
        db=int(db or 0),
        user=unquote(user) or None,
        password=unquote(password) or None,
        tls=parts.scheme.startswith("rediss"),
    )


def split_url(url: str) -> SplitResult:
    """The parts of a URL that has a host. Raises `ValueError` without naming the URL."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("has no usable host or port; percent-encode special characters of a password")
    return parts


def check_host(host: str) -> str:
    """A host name or an IP address, without a port."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not is_host_name(host):
            raise ValueError(f"must be a host name or an IP address, got {shown(host)}") from None
    return host


def is_host_name(name: str) -> bool:
    """Whether `name` is a host name. If its last part were digits, it would be a (broken) IPv4 address."""
    return _HOST.fullmatch(name) is not None and not name.rstrip(".").rpartition(".")[2].isdigit()


def check_redis_addr(addr: str, default_port: int = REDIS_PORT) -> str:
    """`host`, `host:port` or `[IPv6]:port`; returns it with the port."""
    if "://" in addr or "@" in addr:
        raise ValueError("must be host:port; a whole URL goes into the environment variable REDIS_URL")
    parts = split_url(f"//{addr}")
    if parts.path or parts.query or parts.fragment or parts.hostname is None:
        raise ValueError(f"must be host:port, got {shown(addr)}")
    host = check_host(parts.hostname)
    port = parts.port or default_port
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
