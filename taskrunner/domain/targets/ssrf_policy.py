"""The SSRF policy: which hosts, addresses and ports a task may name, and which a fetch may dial."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address, ip_network

from taskrunner.domain.targets.address import (
    METADATA_NAMES,
    Address,
    Ranges,
    embedded,
    is_loopback,
    is_never_reached,
    is_special,
    parse_address,
)
from taskrunner.domain.targets.url import Url

# Tasks of one process mostly name the same few hosts.
_REMEMBERED = 4096
# No refusal: None says that there is none.
_UNKNOWN = ""
_LOOPBACKS = (IPv4Address("127.0.0.1"), IPv6Address("::1"))


class DialRefusal(StrEnum):
    """Why an address may not be dialled.

    - `NEVER`: a metadata service, or 0.0.0.0; no setting allows it.
    - `PORT`: the port is not among Fetch.ports.
    - `NOT_PUBLIC`: Fetch.allow_private does not list the address.
    - `OWN_ADDRESS`: it is one of this machine's.
    - `OWN_SERVICE`: the broker or the store of taskrunner.
    - `ZONE`: it is valid only on one network interface.
    """

    NEVER = "never_allowed"
    PORT = "port"
    NOT_PUBLIC = "not_public"
    OWN_ADDRESS = "own_address"
    OWN_SERVICE = "own_service"
    ZONE = "zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class SsrfPolicy:
    """The public internet on some ports, and the exceptions of an operator.

    `allow_private` are networks (`10.0.0.0/8`), addresses, and host names, whose addresses are not checked.
    `allow_loopback` allows this machine's loopback on every port. `endpoints` are hosts and ports that no
    task may reach: our own broker and store.

    A dataclass rather than a `Value`, for the fields that are computed once and not compared.
    """

    allow_private: tuple[str, ...] = ()
    ports: tuple[int, ...] = (80, 443, 8080, 8443)
    allow_loopback: bool = False
    endpoints: tuple[tuple[str, int], ...] = ()
    _networks: Ranges = field(init=False, repr=False, compare=False)
    _names: frozenset[str] = field(init=False, repr=False, compare=False)
    _ports: frozenset[int] = field(init=False, repr=False, compare=False)
    _loopback: bool = field(init=False, repr=False, compare=False)
    _refusals: dict[tuple[str, int], str | None] = field(
        init=False, repr=False, compare=False, default_factory=dict
    )

    def __post_init__(self) -> None:
        names = [each for each in self.allow_private if "/" not in each and parse_address(each) is None]
        networks = Ranges(ip_network(each) for each in self.allow_private if each not in names)
        loopback = self.allow_loopback or any(each in networks for each in _LOOPBACKS)
        endpoints = tuple((_folded(host), port) for host, port in self.endpoints)
        object.__setattr__(self, "endpoints", endpoints)
        object.__setattr__(self, "_networks", networks)
        object.__setattr__(self, "_names", frozenset(_folded(each) for each in names))
        object.__setattr__(self, "_ports", frozenset(self.ports))
        object.__setattr__(self, "_loopback", loopback)

    def refusal(self, url: Url) -> str | None:
        """Why `url` is refused by its text alone; None if that depends on its address."""
        place = url.host, url.port
        # Threads ask as well: another one may forget the answer at any time.
        known = self._refusals.get(place, _UNKNOWN)
        if known is not _UNKNOWN:
            return known
        refusal = self._refusal(url)
        if len(self._refusals) >= _REMEMBERED:
            self._refusals.clear()
        self._refusals[place] = refusal
        return refusal

    def _refusal(self, url: Url) -> str | None:
        address, port, name = url.address, url.port, _folded(url.host)
        if address is not None:
            if self.allow_loopback and is_loopback(address):
                return None
            if is_special(address) and not self._covers(address):
                return "names an address that is not public, which Fetch.allow_private does not list"
        elif reason := self._name_refusal(name):
            return reason
        if (name, port) in self.endpoints:
            return "names the broker or the store of taskrunner itself"
        if port not in self._ports and (address is not None or not self.allow_loopback):
            return f"names port {port}, which is not among Fetch.ports"
        return None

    def dial_refusal(
        self, host: str, address: Address, port: int, is_own: Callable[[Address], bool]
    ) -> DialRefusal | None:
        """Why `address`, to which `host` resolves, may not be dialled; `is_own` knows our own addresses.

        The endpoints are not checked here, since they may be host names.
        """
        if is_never_reached(address):
            return DialRefusal.NEVER
        if self.allow_loopback and is_loopback(address):
            return None
        if port not in self._ports:
            return DialRefusal.PORT
        if self._covers(address) or _folded(host) in self._names:
            return None
        if is_special(address):
            return DialRefusal.NOT_PUBLIC
        return DialRefusal.OWN_ADDRESS if is_own(address) else None

    def _covers(self, address: Address) -> bool:
        """Whether an operator allows the address and every IPv4 address embedded in it."""
        if address not in self._networks or is_never_reached(address):
            return False
        return all(each in self._networks or not is_special(each) for each in embedded(address))

    def _name_refusal(self, name: str) -> str | None:
        if name in METADATA_NAMES:
            return "names a metadata service"
        # RFC 6761 6.3: these names mean this machine, whatever a resolver says.
        is_local = name == "localhost" or name.endswith(".localhost")
        if is_local and not self._loopback and name not in self._names:
            return "names this machine, which Fetch.allow_private does not list"
        return None


def _folded(name: str) -> str:
    return name.lower().removesuffix(".")
