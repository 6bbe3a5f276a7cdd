"""Where a request comes from: the client's address, scheme, host and path, as trusted proxies tell them.

The request guard reads it once; the audit, logins, links and checks of access ask the functions of this
module. What proxies tell is believed only from `Api.trusted_proxies`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from ipaddress import ip_network
from typing import TypeVar

from aiohttp import web

from taskrunner.api.http.forwarded import (
    UNKNOWN,
    Element,
    plain,
    read_forwarded,
    read_list,
    read_node,
    read_prefix,
    read_proto,
)
from taskrunner.api.http.problems import refuse
from taskrunner.domain.messages import shown
from taskrunner.domain.targets.address import Ranges, is_loopback, parse_address

Type = TypeVar("Type")

# RFC 9110 7.6.3, and what proxies and content delivery networks send beside `X-Forwarded-…`.
_PROXIED = frozenset(
    {"forwarded", "via", "x-real-ip", "x-client-ip", "x-cluster-client-ip", "x-original-forwarded-for"}
    | {"true-client-ip", "cf-connecting-ip", "fastly-client-ip", "x-envoy-external-address", "cdn-loop"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client as trusted proxies describe it. `address` may be a hidden name or `unknown`.

    `scheme` and `host` are None where no proxy tells them. `prefix` stands before the paths that we see.
    """

    address: str
    scheme: str | None = None
    host: str | None = None
    prefix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """`client` is None where no trusted proxy tells of one.

    `root` stands before the paths in our links: `Api.public_url`, or the prefix that a proxy tells.
    """

    client: Client | None = None
    root: str = ""


_SOURCE = web.RequestKey("source", Source)
_OTHER_ORIGIN = web.RequestKey("other_origin", bool)


class TrustedProxies:
    """Believes the proxies in `networks`, from the last one back to the first that is none of them."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._ranges = Ranges(ip_network(each) for each in networks)
        self._is_peer_trusted = lru_cache(maxsize=1024)(self._is_peer_trusted_uncached)

    def read(self, request: web.BaseRequest) -> Client | None:
        """The client of a request that a trusted proxy sent, None for others. Raises `RequestRefused` (400).

        A proxy passes on what it does not know. So the two kinds of headers must name the same client: of two
        that differ, one is what the client itself has sent.
        """
        peer = request.remote or UNKNOWN
        if not self._is_peer_trusted(peer):
            return None
        listed = self._listed(peer, request)
        elements = _read(request, "Forwarded", read_forwarded)
        if not elements:
            return listed
        told = self._told(peer, elements)
        if "X-Forwarded-For" in request.headers and told.address != listed.address:
            raise refuse(
                400,
                "bad_header",
                "Forwarded and X-Forwarded-For name different clients: the proxy must replace or remove both",
            )
        return replace(told, prefix=listed.prefix)

    def _told(self, peer: str, elements: Sequence[Element]) -> Client:
        """By `Forwarded`, to which each proxy adds an element about whoever has connected to it."""
        nodes = [each.get("for") for each in elements]
        address, believed = self._walk(peer, nodes)
        schemes = [each["proto"] for each in elements[-believed:] if "proto" in each]
        hosts = [each["host"] for each in elements[-believed:] if "host" in each]
        scheme = _checked("Forwarded: proto", schemes[0], read_proto) if schemes else None
        return Client(address=address, scheme=scheme, host=hosts[0] if hosts else None)

    def _listed(self, peer: str, request: web.BaseRequest) -> Client:
        """By `X-Forwarded-…`. A proxy may add to a list or replace it, so each may have fewer members."""
        address, believed = self._walk(peer, _read(request, "X-Forwarded-For", read_list))

        def value(name: str, read: Callable[[str], str]) -> str | None:
            values = _read(request, name, read_list)
            return _checked(name, values[-min(believed, len(values))], read) if values else None

        return Client(
            address=address,
            scheme=value("X-Forwarded-Proto", read_proto),
            host=value("X-Forwarded-Host", str),
            prefix=value("X-Forwarded-Prefix", read_prefix) or "",
        )

    def _walk(self, peer: str, nodes: Sequence[str | None]) -> tuple[str, int]:
        """The client, and how many of the nodes, from the last one back, trusted proxies have named."""
        client, believed = peer, 0
        for text in reversed(nodes):
            believed += 1
            if text is None:
                break
            node = read_node(text)
            client = str(node)
            if isinstance(node, str) or node not in self._ranges:
                break
        return client, max(believed, 1)

    def _is_peer_trusted_uncached(self, peer: str) -> bool:
        address = parse_address(peer.partition("%")[0])
        return address is not None and plain(address) in self._ranges


def remember_origin(request: web.BaseRequest) -> None:
    """Only the request guard calls this: the page that sent the request is of an origin in `Api.cors`."""
    request[_OTHER_ORIGIN] = True


def from_other_origin(request: web.BaseRequest) -> bool:
    """Whether a page that is not ours sent the request, as far as its browser tells."""
    return _OTHER_ORIGIN in request or request.headers.get("Sec-Fetch-Site") in {"same-site", "cross-site"}


def remember_source(request: web.BaseRequest, source: Source) -> None:
    """Only the request guard calls this."""
    request[_SOURCE] = source


def root_of(request: web.BaseRequest) -> str:
    """What stands before the paths in our links. Only for requests that the guard has let in."""
    return request[_SOURCE].root


def address_of(request: web.BaseRequest) -> str | None:
    """The client's address, or the name that a proxy gives it."""
    client = _client_of(request)
    return request.remote if client is None else client.address


def is_https(request: web.BaseRequest) -> bool:
    """Whether the client speaks TLS, be it with a proxy."""
    client = _client_of(request)
    return request.secure or (client is not None and client.scheme == "https")


def is_near(request: web.BaseRequest) -> bool:
    """Whether the request comes from this machine, and not by a proxy on it from another one."""
    if request[_SOURCE].client is not None:
        return False
    return is_near_peer(request.remote or "", request.headers)


def is_near_peer(address: str, headers: Iterable[str]) -> bool:
    """The same, of a peer's address and the names of the headers that it sent."""
    for name in map(str.lower, headers):
        if name in _PROXIED or name.startswith("x-forwarded"):
            return False
    return _is_local(address)


# A peer sends many requests, and each asks this.
@lru_cache(maxsize=1024)
def _is_local(address: str) -> bool:
    parsed = parse_address(address)
    return parsed is not None and is_loopback(plain(parsed))


def _client_of(request: web.BaseRequest) -> Client | None:
    """None also for a request that was refused before the guard saw it."""
    source = request.get(_SOURCE)
    return None if source is None else source.client


def _read(request: web.BaseRequest, name: str, read: Callable[[str], Sequence[Type]]) -> Sequence[Type]:
    """All lines of a header as one list (RFC 9110 5.2)."""
    return _checked(name, ",".join(request.headers.getall(name, ())), read)


def _checked(name: str, text: str, read: Callable[[str], Type]) -> Type:
    try:
        return read(text)
    except ValueError as exc:
        raise refuse(400, "bad_header", f"{name}: {exc}, got {shown(text)}") from exc
