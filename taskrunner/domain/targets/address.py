"""The table of special addresses: those that are not public hosts, and those that are always refused.

Python's `is_global` does not do: it accepts NAT64, 6to4, multicast and metadata services. The table fails
closed: of IPv6 only 2000::/3, the range of global unicast addresses, can be public. Sources:

- IANA IPv4 and IPv6 Special-Purpose Address Registries
  (https://www.iana.org/assignments/iana-ipv4-special-registry, …/iana-ipv6-special-registry)
- IANA IPv4 and IPv6 multicast and IPv6 global unicast registries, RFC 5771, RFC 4291
- for metadata services, the vendors' manuals, named beside each address
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


class AddressClass(StrEnum):
    """What an address is for. Only `PUBLIC` ones are public hosts."""

    PUBLIC = "public"
    LOOPBACK = "loopback"
    PRIVATE = "private"
    SHARED = "shared"
    LINK_LOCAL = "link_local"
    MULTICAST = "multicast"
    UNSPECIFIED = "unspecified"
    METADATA = "metadata"
    RESERVED = "reserved"


_SPECIAL = (
    "0.0.0.0/8",  # this network, RFC 791; 0.0.0.0 reaches this machine
    "10.0.0.0/8",  # private, RFC 1918
    "100.64.0.0/10",  # carrier-grade NAT, RFC 6598
    "127.0.0.0/8",  # loopback, RFC 1122
    "169.254.0.0/16",  # link-local, RFC 3927
    "172.16.0.0/12",  # private, RFC 1918
    "192.0.0.0/24",  # protocol assignments, RFC 6890
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.31.196.0/24",  # AS112, RFC 7535
    "192.52.193.0/24",  # AMT, RFC 7450
    "192.88.99.0/24",  # 6to4 relays, RFC 7526
    "192.168.0.0/16",  # private, RFC 1918
    "192.175.48.0/24",  # AS112, RFC 7534
    "198.18.0.0/15",  # benchmarks, RFC 2544
    "198.51.100.0/24",  # documentation, RFC 5737
    "203.0.113.0/24",  # documentation, RFC 5737
    "224.0.0.0/4",  # multicast, RFC 5771
    "240.0.0.0/4",  # reserved, RFC 1112; broadcast, RFC 919
    # Nothing outside 2000::/3 is global unicast: ::, ::1, IPv4-compatible (::/96) and -mapped
    # (::ffff:0:0/96) addresses, NAT64 (64:ff9b::/96, 64:ff9b:1::/48, RFC 6052 and 8215), discard (100::/64),
    # SRv6 (5f00::/16), unique local (fc00::/7), link-local (fe80::/10), site-local and multicast ones.
    "::/3",
    "2001::/23",  # protocol assignments, RFC 2928: Teredo (2001::/32), benchmarks, AMT, AS112, ORCHID, …
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056
    "2620:4f:8000::/48",  # AS112, RFC 7534
    "3ffe::/16",  # the 6bone, given back, RFC 3701
    "3fff::/20",  # documentation, RFC 9637
    "4000::/2",
    "8000::/1",
)

# Refused in any configuration: whoever can read a metadata service has the credentials of the machine.
_NEVER = (
    "0.0.0.0/32",  # reaches this machine; RFC 1122 3.2.1.3: not a destination
    "::/128",  # the same, RFC 4291 2.5.2
    "100.96.0.96/32",  # Volcengine
    "100.100.100.200/32",  # Alibaba Cloud
    "168.63.129.16/32",  # Azure's wire server, a public address
    "169.254.0.23/32",  # Tencent Cloud
    "169.254.10.10/32",  # Tencent Cloud
    "169.254.42.42/32",  # Scaleway
    "169.254.169.0/24",  # AWS, Azure, Google Cloud, Oracle, DigitalOcean, … (.254), AWS DNS (.253)
    "169.254.170.0/24",  # AWS ECS task roles (.2), EKS pod identity (.23)
    "192.0.0.192/32",  # Oracle Cloud, older
    "fd00:42::42/128",  # Scaleway
    "fd00:a9fe:a9fe::/48",  # Akamai
    "fd00:c1::a9fe:a9fe/128",  # Oracle Cloud
    "fd00:ec2::/32",  # AWS: metadata (::254), DNS (::253), EKS pod identity (::23)
    "fd20:ce::254/128",  # Google Cloud
    "fe80::a9fe:a9fe/128",  # OpenStack
)

# The host names of metadata services.
METADATA_NAMES = frozenset(
    {
        "metadata.google.internal",
        "metadata.goog",
        "instance-data",
        "instance-data.ec2.internal",
        "metadata.tencentyun.com",
    }
)
_TEREDO = IPv6Network("2001::/32")
_SIX_TO_FOUR = IPv6Network("2002::/16")
_LOCAL_NAT64 = IPv6Network("64:ff9b:1::/48")
# IPv4 in the last 32 bits: IPv4-compatible, -mapped, -translated (RFC 2765), NAT64 (RFC 6052).
_IN_LAST_BITS = tuple(
    IPv6Network(each)
    for each in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48")
)
_ISATAP = 0x5EFE
_BITS_32 = 0xFFFF_FFFF


class Ranges:
    """A set of networks; membership is found by bisection."""

    __slots__ = ("_ends", "_starts")

    def __init__(self, networks: Iterable[Network]) -> None:
        self._starts: dict[int, list[int]] = {4: [], 6: []}
        self._ends: dict[int, list[int]] = {4: [], 6: []}
        by_start = sorted(
            (each.version, int(each.network_address), int(each.broadcast_address)) for each in networks
        )
        for version, start, end in by_start:
            starts, ends = self._starts[version], self._ends[version]
            if ends and start <= ends[-1] + 1:
                ends[-1] = max(ends[-1], end)
            else:
                starts.append(start)
                ends.append(end)

    def __contains__(self, address: Address) -> bool:
        number = int(address)
        index = bisect_right(self._starts[address.version], number) - 1
        return index >= 0 and number <= self._ends[address.version][index]


# Of the special addresses, those that are not merely reserved.
_CLASSES: Mapping[AddressClass, Ranges] = {
    AddressClass.LOOPBACK: Ranges(map(ip_network, ("127.0.0.0/8", "::1/128"))),
    AddressClass.PRIVATE: Ranges(
        map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
    ),
    AddressClass.SHARED: Ranges([IPv4Network("100.64.0.0/10")]),
    AddressClass.LINK_LOCAL: Ranges(map(ip_network, ("169.254.0.0/16", "fe80::/10"))),
    AddressClass.MULTICAST: Ranges(map(ip_network, ("224.0.0.0/4", "ff00::/8"))),
}
_SPECIAL_RANGES = Ranges(ip_network(each) for each in _SPECIAL)
_NEVER_RANGES = Ranges(ip_network(each) for each in _NEVER)


def is_special(address: Address) -> bool:
    """Whether the address is not that of a public host."""
    return address in _SPECIAL_RANGES or is_never_reached(address)


def is_never_reached(address: Address) -> bool:
    """Whether no configuration allows the address, or one that is embedded in it."""
    if address in _NEVER_RANGES:
        return True
    return address.version == 6 and any(each in _NEVER_RANGES for each in embedded(address))


def class_of(address: Address) -> AddressClass:
    """The class of an address, or of an IPv4 address which an IPv6 address may stand for."""
    if not is_special(address):
        return AddressClass.PUBLIC
    meant = (address, *embedded(address))
    if any(int(each) == 0 for each in meant):
        return AddressClass.UNSPECIFIED
    if is_never_reached(address):
        return AddressClass.METADATA
    found = (kind for kind, ranges in _CLASSES.items() if any(each in ranges for each in meant))
    return next(found, AddressClass.RESERVED)


def is_loopback(address: Address) -> bool:
    """127.0.0.0/8 and ::1, but not addresses that embed one of them."""
    return int(address) >> 24 == 127 if address.version == 4 else int(address) == 1


def embedded(address: Address) -> Sequence[IPv4Address]:
    """The IPv4 addresses that an IPv6 address may stand for; an IPv4 address itself."""
    if isinstance(address, IPv4Address):
        return (address,)
    number = int(address)
    # RFC 4291 2.5.5.1 takes :: and ::1 out of the IPv4-compatible addresses.
    found = [number & _BITS_32] if number > 1 and any(address in each for each in _IN_LAST_BITS) else []
    if address in _SIX_TO_FOUR:
        found.append(number >> 80 & _BITS_32)
    elif address in _TEREDO:
        # The server, and the client with its bits flipped, RFC 4380 section 4.
        found += [number >> 64 & _BITS_32, ~number & _BITS_32]
    elif address in _LOCAL_NAT64:
        # RFC 6052 2.2, a prefix of 48 bits: 16 bits, the octet "u", 16 bits. Or one of 96 bits within it.
        found.append((number >> 64 & 0xFFFF) << 16 | number >> 40 & 0xFFFF)
        found = [each for each in found if each]
    # RFC 5214 6.1: the interface identifier begins with 00-00-5e-fe or 02-00-5e-fe.
    if number >> 32 & 0xFDFF_FFFF == _ISATAP:
        found.append(number & _BITS_32)
    return [IPv4Address(each) for each in found]


def is_wildcard(text: str) -> bool:
    """Whether a server that listens there listens on all addresses: `0.0.0.0`, `::` in any spelling."""
    address = parse_address(text)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return address is not None and (mapped or address).is_unspecified


def parse_address(text: str) -> Address | None:
    """An address in its plain form, without a zone; None for anything else.

    Four decimal numbers without leading zeros, or IPv6 without brackets (RFC 4291 2.2).
    """
    if "%" in text:
        return None
    try:
        return ip_address(text)
    except ValueError:
        return None
