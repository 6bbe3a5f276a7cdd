"""The address guard: decides on every address, when a name is looked up and again at each dial.

A string can name one host to two parsers, and a name another address a moment later; so what counts is the
address that is dialled. A name of which any address is refused is refused as a whole: who mixes a private
address into an answer means it to be the one that is used.

Behind an egress proxy nothing but that is dialled. Names are judged as ever, and the proxy is asked for one
of the judged addresses; or, if it is to look up names itself, only what the URL shows is judged here: literal
addresses, names such as localhost and those of metadata services, ports.
"""

from collections.abc import Callable

from taskrunner.domain.address import Address, embedded, is_loopback, parse_address
from taskrunner.domain.ssrf_policy import SsrfPolicy
from taskrunner.domain.url import Url
from taskrunner.handlers.http.network import Answer, LookupFailed, LookupTimedOut, Network
from taskrunner.handlers.http.proxy import Proxy

# All addresses of a name are judged, and the first of them are tried.
_TRIED_ADDRESSES = 16
_KEPT_ROUTES = 1024


class TargetRefused(Exception):
    """The target is out of reach. It does not say why, so that nobody can be told."""


class ProxyUnknown(Exception):
    """The egress proxy's name has no address, or none was found."""


class DialPlan:
    """A host and port, and the addresses that were found for it and let through.

    `entry` is libcurl's form of what is dialled (CURLOPT_RESOLVE), `end` what takes it back; libcurl looks up
    no name itself. Those of a proxy are `via`; `tunnel` (CURLOPT_CONNECT_TO) then says which address of the
    host it is asked for.
    """

    __slots__ = ("addresses", "answer", "end", "entry", "host", "port", "tunnel", "via")

    def __init__(
        self,
        url: Url,
        answer: Answer | None,
        addresses: tuple[Address, ...],
        proxy: Proxy | None = None,
        via: Answer | None = None,
    ) -> None:
        self.host, self.port = url.host, url.port
        self.answer = answer
        self.via = via
        self.addresses = addresses[:_TRIED_ADDRESSES]
        self.tunnel = None
        host, port, dialled = url.host, url.port, self.addresses
        if proxy is not None and via is not None:
            host, port, dialled = proxy.host, proxy.port, tuple(each for each in via if each is not None)
            if url.address is None and addresses:
                # Only one can be asked for. Not every proxy has IPv6.
                self.addresses = (next((each for each in addresses if each.version == 4), addresses[0]),)
                self.tunnel = f"{url.host}:{url.port}:{_written(self.addresses[0])}:{url.port}"
        is_name = parse_address(host) is None
        self.entry = f"{host}:{port}:{','.join(map(_written, dialled))}" if is_name else None
        self.end = f"-{host}:{port}"

    @property
    def place(self) -> str | None:
        """The first address with its port, None while there is none."""
        return f"{_written(self.addresses[0])}:{self.port}" if self.addresses else None


class SsrfGuard:
    """One worker's guard. `is_cancelled` tells whether the attempt under way is to end."""

    def __init__(
        self,
        ssrf_policy: SsrfPolicy,
        network: Network,
        is_cancelled: Callable[[], bool],
        proxy: Proxy | None = None,
    ) -> None:
        self._ssrf_policy = ssrf_policy
        self._network = network
        self._is_cancelled = is_cancelled
        self._proxy = proxy
        literal = None if proxy is None else parse_address(proxy.host)
        self._proxy_literal = None if literal is None else (literal,)
        self._routes: dict[tuple[str, int], DialPlan] = {}

    def plan_dial(self, url: Url, patience: float) -> DialPlan:
        """The way to `url`, in at most `patience` seconds.

        Raises `TargetRefused`, `LookupFailed`, `LookupTimedOut`, `ProxyUnknown`.
        """
        route = self._routes.get((url.host, url.port))
        via = None if self._proxy is None else self._look_up_proxy(self._proxy, patience)
        answer = None
        if url.address is None and (self._proxy is None or not self._proxy.resolves):
            answer = self._network.look_up(url.host, patience, self._is_cancelled)
        if route is not None and route.answer is answer and route.via is via:
            return route
        return self._judge(url, answer, via, patience)

    def lets_dial(self, route: DialPlan, place: tuple[str, int, *tuple[int, ...]], patience: float) -> bool:
        """Whether libcurl may connect to `place` (as `socket` has it) for a request on `route`."""
        scope = place[3] if len(place) > 3 else 0
        address = parse_address(place[0])
        if address is None or scope:
            return False
        if self._proxy is not None:
            # Where it is, the operator says; nothing else is ever dialled.
            return place[1] == self._proxy.port and route.via is not None and address in route.via
        if place[1] != route.port or address not in route.addresses:
            return False
        return self._allows(route.host, address, route.port, patience)

    def _look_up_proxy(self, proxy: Proxy, patience: float) -> Answer:
        if self._proxy_literal is not None:
            return self._proxy_literal
        try:
            return self._network.look_up(proxy.host, patience, self._is_cancelled)
        except LookupFailed as exc:
            raise ProxyUnknown from exc
        except LookupTimedOut as exc:
            if self._is_cancelled():
                raise
            raise ProxyUnknown from exc

    def _judge(self, url: Url, answer: Answer | None, via: Answer | None, patience: float) -> DialPlan:
        found = answer if url.address is None else (url.address,)
        if found is None and url.port not in self._ssrf_policy.ports:
            # Of a name that nobody looks up here only this can be judged beside the name itself.
            raise TargetRefused
        addresses = tuple(each for each in found or () if each is not None)
        if found is not None and len(addresses) != len(found):
            raise TargetRefused
        if not all(self._allows(url.host, each, url.port, patience) for each in addresses):
            raise TargetRefused
        if len(self._routes) >= _KEPT_ROUTES:
            self._routes.clear()
        route = self._routes[url.host, url.port] = DialPlan(url, answer, addresses, self._proxy, via)
        return route

    def _allows(self, host: str, address: Address, port: int, patience: float) -> bool:
        if not self._ssrf_policy.allows(host, address, port, self._is_own):
            return False
        return not any(
            self._is_endpoint(address, endpoint, patience)
            for endpoint, its_port in self._ssrf_policy.endpoints
            if its_port == port
        )

    def _is_endpoint(self, address: Address, endpoint: str, patience: float) -> bool:
        """Whether what listens as `endpoint` would answer at `address`; a service of this machine may
        listen on all of its addresses.
        """
        literal = parse_address(endpoint)
        try:
            known = (literal,) if literal else self._network.look_up(endpoint, patience, self._is_cancelled)
        except LookupFailed:
            return False
        meant = {address, *embedded(address)}
        if not meant.isdisjoint(known):
            return True
        return any(map(self._is_own, meant)) and any(
            each is not None and self._is_own(each) for each in known
        )

    def _is_own(self, address: Address) -> bool:
        return is_loopback(address) or self._network.is_own(address)


def _written(address: Address) -> str:
    """As a part of a URL has it."""
    return f"[{address}]" if address.version == 6 else str(address)
