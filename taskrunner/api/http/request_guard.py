"""The request guard: what every request must pass before its route is asked.

Nothing that a client says about a request is ignored: either we obey, or we refuse and name the way out.
"""

import ipaddress
from functools import lru_cache
from urllib.parse import urlsplit

from aiohttp import web

from taskrunner.api.http.client_address import (
    Client,
    Source,
    TrustedProxies,
    remember_origin,
    remember_source,
)
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.settings import ServerSettings
from taskrunner.domain.masking import mask_user_info
from taskrunner.domain.messages import shown

# Kubernetes and load balancers use any name for the host; the answers contain no secrets.
PROBES = frozenset({"/livez", "/readyz", "/api/v1/livez", "/api/v1/readyz"})
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = "localhost"
_DEFAULT_PORTS = {"http": 80, "https": 443}


class RequestGuard:
    """Refuses requests that another web site makes a browser send, and parts of a body.

    `hosts` are the names of this server beside loopback and addresses: `api.example.com`, `*.example.com`,
    or `*` for any. A page of another site can point its own name at our address (DNS rebinding), but not an
    address, and not `localhost`. Names that trusted proxies tell are checked in the same way.
    """

    def __init__(self, options: ServerSettings) -> None:
        self._hosts = frozenset(options.hosts)
        self._cors = frozenset(options.cors)
        self._public_url = options.public_url
        self._direct = Source(root=options.public_url or "")
        self._public_authority = _authority_in(options.public_url) if options.public_url else None
        self._proxies = TrustedProxies(options.trusted_proxies) if options.trusted_proxies else None
        # Clients spell the few names of a server in the same few ways.
        self._is_ours = lru_cache(maxsize=256)(self._is_ours_uncached)

    def check(self, request: web.BaseRequest) -> None:
        """Raises `RequestRefused`."""
        headers = request.headers
        client = None if self._proxies is None else self._proxies.read(request)
        if client is None:
            source = self._direct
        else:
            source = Source(client=client, root=self._public_url or client.prefix)
        remember_source(request, source)
        authority = _authority(request)
        if request.path not in PROBES:
            self._check_host(authority)
            # Both: a page whose own name leads to a proxy on this machine can set any other header.
            if client is not None:
                self._check_host(client.host)
        if self._cors and self._is_allowed_page(request, authority, client):
            remember_origin(request)
        elif request.method not in _SAFE and ("Sec-Fetch-Site" in headers or "Origin" in headers):
            self._refuse_other_sites(request, authority, client)
        if "Content-Range" in headers and request.method not in _SAFE:
            # RFC 9110 14.5: a part of a resource must not be taken for the whole.
            detail = "Content-Range: parts cannot be written; send the whole without it"
            raise refuse(400, "bad_header", detail)

    def _check_host(self, authority: str | None) -> None:
        if authority is None or self._is_ours(authority):
            return
        # RFC 9110 section 4.2.4: user information is no part of a host, and may be a password.
        host = shown(mask_user_info(f"//{authority}")[2:])
        raise refuse(
            421, "host_unknown", f"this server does not know the host {host}; add its name to Api.hosts"
        )

    def _is_allowed_page(
        self, request: web.BaseRequest, authority: str | None, client: Client | None
    ) -> bool:
        """Whether a page of another origin, in `Api.cors`, sent the request."""
        origin = request.headers.get("Origin")
        return origin is not None and origin in self._cors and not self._is_own(origin, authority, client)

    def _refuse_other_sites(
        self, request: web.BaseRequest, authority: str | None, client: Client | None
    ) -> None:
        """A browser sends a POST of a foreign page without asking us, but says where the page came from.

        https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header; browsers without it send `Origin`. No
        other client sends either.
        """
        site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        if site is not None and site not in {"same-origin", "none"}:
            raise refuse(
                403,
                "cross_site_request",
                f"a page of another site sent this request (Sec-Fetch-Site: {shown(site)}); "
                "only pages of this server may change anything",
            )
        if site is None and origin is not None and not self._is_own(origin, authority, client):
            raise refuse(
                403,
                "cross_site_request",
                f"a page of {shown(origin)} sent this request; only pages of this server may change anything",
            )

    def _is_own(self, origin: str, authority: str | None, client: Client | None) -> bool:
        """Whether the page is one of ours, by the name that its browser knows."""
        asked = authority if client is None or client.host is None else client.host
        scheme = None if client is None else client.scheme
        return _is_same(origin, asked, scheme) or _is_same(origin, self._public_authority, None)

    def _is_ours_uncached(self, authority: str) -> bool:
        name = _host(authority)
        if name is None:
            return False
        return (
            "*" in self._hosts
            or _is_local(name)
            or (self._public_authority is not None and name == _host(self._public_authority))
            or any(name == host or _below(name, host) for host in self._hosts)
        )


def _authority(request: web.BaseRequest) -> str | None:
    """RFC 9112 3.2.2: the authority of an absolute target replaces `Host`."""
    target = request.raw_path
    if target.startswith("/") or "://" not in target:
        return request.headers.get("Host")
    return target.partition("://")[2].partition("/")[0].partition("?")[0]


def _is_same(origin: str, authority: str | None, scheme: str | None) -> bool:
    """RFC 6454 section 5; without a `scheme`, a proxy may have ended TLS before us."""
    try:
        parts = urlsplit(origin)
        default = _DEFAULT_PORTS[parts.scheme]
        asked = urlsplit(f"{parts.scheme}://{authority}")
        return (
            scheme in {None, parts.scheme}
            and parts.hostname is not None
            and (parts.hostname, parts.port or default) == (asked.hostname, asked.port or default)
        )
    except (KeyError, ValueError):
        return False


def _authority_in(url: str) -> str:
    return urlsplit(url).netloc


def _host(authority: str) -> str | None:
    """The host of `host[:port]` in its one spelling; None for anything else."""
    try:
        parts = urlsplit(f"//{authority}")
        _ = parts.port
    except ValueError:
        return None
    if parts.netloc != authority or "@" in authority or not parts.hostname:
        return None
    return parts.hostname.removesuffix(".")


def _is_local(name: str) -> bool:
    # RFC 6761 6.3: names below localhost are loopback, too.
    if name == _LOOPBACK or name.endswith(f".{_LOOPBACK}"):
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _below(name: str, pattern: str) -> bool:
    return pattern.startswith("*.") and name.endswith(pattern[1:])
