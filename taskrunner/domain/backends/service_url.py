"""The URL of a server that we use, parsed once: the dialled address and the shown one cannot differ.

RFC 3986, section 3.2: the authority ends at the first "/", "?" or "#", so a password with one of them must be
percent-encoded. Where another reading is possible, the URL is refused: a reader that takes a part of the
password for a path would show it. Every check raises `ValueError` with the reason, and never shows the URL.
"""

import ipaddress
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from taskrunner.domain.backends.url_parameters import UrlParameters
from taskrunner.domain.messages import shown

REDIS_PORT = 6379
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
_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PORT = re.compile(r"[0-9]{1,5}")
_BLANK = re.compile(r"[\x00-\x20\x7f]")
_ENCODE = "percent-encode special characters of a password (@ is %40, / is %2F, : is %3A, # is %23, ? is %3F)"

# A host name or an IP address, and a port.
Place = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceUrl:
    """The parts of a URL, decoded except for `path`, which begins with a slash unless it is empty."""

    scheme: str
    user: str | None
    password: str | None = field(repr=False)
    places: tuple[Place, ...]
    path: str
    parameters: UrlParameters = field(repr=False)


def split_service_url(url: str, default_port: int) -> ServiceUrl:
    """The parts of `SCHEME://[user[:password]@][host[:port][,…]][/path][?parameters]`."""
    if _BLANK.search(url):
        raise ValueError("must not contain blanks or line breaks; percent-encode them (a blank is %20)")
    if _BAD_ESCAPE.search(url):
        raise ValueError("has a % without two hexadecimal digits; percent-encode it as %25")
    scheme, _, rest = url.partition("://")
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    if "#" in url or "@" in path or "@" in query or authority.count("@") > 1:
        raise ValueError(f"has a # or @ that may belong to a password; {_ENCODE}")
    who, at, places = authority.rpartition("@")
    user, colon, password = who.partition(":")
    return ServiceUrl(
        scheme=scheme,
        user=_decoded(user) or None,
        password=_decoded(password) if at and colon else None,
        places=tuple(split_place(place, default_port) for place in places.split(",")) if places else (),
        path=slash + path,
        parameters=UrlParameters.of(query),
    )


def split_place(text: str, default_port: int) -> Place:
    """The parts of `host`, `host:port`, `[IPv6]` or `[IPv6]:port`; a host may be the path of a socket."""
    host, port = text, ""
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        usable = bool(bracket) and ":" in host and port[:1] in {"", ":"}
        port = port[1:]
    else:
        host, _, port = text.partition(":")
        usable = ":" not in port
    host = _decoded(host)
    number = (
        int(port) if port.isdecimal() and port.isascii() and len(port) <= 5 else 0 if port else default_port
    )
    if not usable or not 0 < number < 65_536 or not _is_place(host):
        raise ValueError(f"has no usable host or port; {_ENCODE}")
    return host, number


def shown_place(place: Place) -> str:
    """`host:port`, with brackets around an IPv6 address; the path of a Unix socket alone."""
    host, port = place
    if host.startswith("/"):
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


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
    if any(mark in addr for mark in "/?#"):
        raise ValueError(f"must be host:port, got {shown(addr)}")
    if not addr.startswith("[") and ":" not in addr:
        check_host(addr)
    return shown_place(split_place(addr, default_port))


def _is_place(host: str) -> bool:
    if host.startswith("/"):
        return True
    try:
        check_host(host)
    except ValueError:
        return False
    return True


def _decoded(text: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has percent-encoded bytes that are not UTF-8") from None
