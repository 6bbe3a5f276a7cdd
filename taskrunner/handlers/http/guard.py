"""The address guard: decides on every address, when a name is looked up and again at each dial.

A string can name one host to two parsers, and a name another address a moment later; so what counts is the
address that is dialled. A name of which any address is refused is refused as a whole: who mixes a private
address into an answer means it to be the one that is used.
"""

from collections.abc import Callable

from taskrunner.domain.address import Address, embedded, is_loopback, parse_address
from taskrunner.domain.reach import Reach
from taskrunner.domain.url import Url
from taskrunner.handlers.http.network import Answer, LookupFailed, Network

# All addresses of a name are judged, and the first of them are tried.
_TRIED_ADDRESSES = 16
_KEPT_ROUTES = 1024


class TargetRefused(Exception):
    """The target is out of reach. It does not say why, so that nobody can be told."""


class Route:
    """A host and port, and the addresses that were found for it and let through.

    `entry` is libcurl's form of it (CURLOPT_RESOLVE); libcurl looks up no name itself.
    """

    __slots__ = ("addresses", "answer", "entry", "host", "port")

    def __init__(self, url: Url, answer: Answer, addresses: tuple[Address, ...]) -> None:
        self.host, self.port = url.host, url.port
        self.answer = answer
        self.addresses = addresses[:_TRIED_ADDRESSES]
        places = ",".join(f"[{each}]" if each.version == 6 else str(each) for each in self.addresses)
        self.entry = f"{url.host}:{url.port}:{places}" if url.address is None else None


class Guard:
    """One worker's guard. `is_cancelled` tells whether the attempt under way is to end."""

    def __init__(self, reach: Reach, network: Network, is_cancelled: Callable[[], bool]) -> None:
        self._reach = reach
        self._network = network
        self._is_cancelled = is_cancelled
        self._routes: dict[tuple[str, int], Route] = {}

    def find_route(self, url: Url, patience: float) -> Route:
        """The way to `url`, in at most `patience` seconds.

        Raises `TargetRefused`, `LookupFailed`, `LookupTimedOut`.
        """
        route = self._routes.get((url.host, url.port))
        if url.address is not None:
            # A literal stands for itself for ever; each dial is judged anew.
            return route or self._judge(url, (url.address,), patience)
        answer = self._network.look_up(url.host, patience, self._is_cancelled)
        if route is not None and route.answer is answer:
            return route
        return self._judge(url, answer, patience)

    def lets_dial(self, route: Route, place: tuple[str, int, *tuple[int, ...]], patience: float) -> bool:
        """Whether libcurl may connect to `place` (as `socket` has it) for a request on `route`."""
        scope = place[3] if len(place) > 3 else 0
        address = parse_address(place[0])
        if address is None or scope or place[1] != route.port or address not in route.addresses:
            return False
        return self._allows(route.host, address, route.port, patience)

    def _judge(self, url: Url, answer: Answer, patience: float) -> Route:
        addresses = tuple(each for each in answer if each is not None)
        if len(addresses) != len(answer):
            raise TargetRefused
        if not all(self._allows(url.host, each, url.port, patience) for each in addresses):
            raise TargetRefused
        if len(self._routes) >= _KEPT_ROUTES:
            self._routes.clear()
        route = self._routes[url.host, url.port] = Route(url, answer, addresses)
        return route

    def _allows(self, host: str, address: Address, port: int, patience: float) -> bool:
        if not self._reach.allows(host, address, port, self._is_own):
            return False
        return not any(
            self._is_endpoint(address, endpoint, patience)
            for endpoint, its_port in self._reach.endpoints
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
