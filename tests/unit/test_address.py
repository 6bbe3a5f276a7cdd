"""The table of special addresses: whole ranges, their edges, and what an IPv6 address may carry."""

import ipaddress
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.targets.address import (
    Address,
    Ranges,
    embedded,
    is_never_reached,
    is_special,
    parse_address,
)

NUMBERS_4 = st.integers(0, 2**32 - 1)
NUMBERS_6 = st.integers(0, 2**128 - 1)
ADDRESSES = NUMBERS_4.map(IPv4Address) | NUMBERS_6.map(IPv6Address)
METADATA = [
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "100.100.100.200",
    "168.63.129.16",
    "192.0.0.192",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::a9fe:a9fe",
    "0.0.0.0",
    "::",
]


@given(st.one_of(NUMBERS_4.map(IPv4Address), NUMBERS_6.map(IPv6Address)))
def test_what_python_knows_to_be_special_is(address: Address) -> None:
    """Our table is a superset: nothing that Python calls not global passes."""
    if not address.is_global or address.is_multicast:
        assert is_special(address)


@pytest.mark.parametrize(
    "network",
    [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "2001::/23",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
    ],
)
def test_a_range_is_special_up_to_its_edges(network: str) -> None:
    """The first and the last address are, their neighbours are not."""
    known = ip_network(network)
    first, last = known.network_address, known.broadcast_address
    assert is_special(first)
    assert is_special(last)
    if int(first):
        assert not is_special(first - 1)
    if int(last) + 1 < 2**known.max_prefixlen:
        assert not is_special(last + 1)


@given(NUMBERS_6.map(IPv6Address))
def test_only_global_unicast_is_public(address: IPv6Address) -> None:
    """What IANA has not given out is nobody's, and fails closed."""
    if address not in ip_network("2000::/3"):
        assert is_special(address)


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_pass(text: str) -> None:
    """The table refuses no ordinary host."""
    assert not is_special(ip_address(text))
    assert not is_never_reached(ip_address(text))


@pytest.mark.parametrize("text", METADATA)
def test_metadata_is_never_reached(text: str) -> None:
    """Nor is "this machine" by its unspecified address."""
    assert is_never_reached(ip_address(text))


CARRIERS = {
    "compatible": lambda number: number,
    "mapped": lambda number: 0xFFFF << 32 | number,
    "translated": lambda number: 0xFFFF << 48 | number,
    "NAT64": lambda number: 0x64FF9B << 96 | number,
    "local NAT64, 96 bits": lambda number: 0x64FF9B0001 << 80 | 0x7 << 32 | number,
    "local NAT64, 48 bits": lambda number: 0x64FF9B0001 << 80 | number >> 16 << 64 | (number & 0xFFFF) << 40,
    "6to4": lambda number: 0x2002 << 112 | number << 80 | 1,
    "Teredo server": lambda number: 0x20010000 << 96 | number << 64,
    "Teredo client": lambda number: 0x20010000 << 96 | number ^ 0xFFFFFFFF,
    "ISATAP": lambda number: 0x2A00 << 112 | 0x5EFE << 32 | number,
    "ISATAP, global": lambda number: 0x2A00 << 112 | 0x02005EFE << 32 | number,
}


@pytest.mark.parametrize("carrier", CARRIERS)
@given(number=st.one_of(NUMBERS_4.filter(lambda number: number > 1), st.just(int(IPv4Address(METADATA[0])))))
def test_an_ipv4_address_is_found_in_whatever_carries_it(carrier: str, number: int) -> None:
    """And with it a metadata address is never reached in any disguise."""
    address = IPv6Address(CARRIERS[carrier](number))
    assert IPv4Address(number) in embedded(address)
    if is_never_reached(IPv4Address(number)):
        assert is_special(address)
        assert is_never_reached(address)


@given(st.lists(st.tuples(NUMBERS_4, st.integers(0, 32)), max_size=20), NUMBERS_4)
def test_ranges_hold_what_their_networks_hold(drawn: list[tuple[int, int]], number: int) -> None:
    """Overlapping and touching networks included."""
    networks = [ip_network((start, prefix), strict=False) for start, prefix in drawn]
    ranges = Ranges(networks)
    for address in (IPv4Address(number), *(network.broadcast_address for network in networks)):
        assert (address in ranges) == any(address in network for network in networks)


@given(ADDRESSES)
def test_a_plain_address_is_read(address: Address) -> None:
    """In the spelling in which Python writes it."""
    assert parse_address(str(address)) == address


@pytest.mark.parametrize(
    "text", ["", "127.1", "0177.0.0.1", "0x7f.0.0.1", "1.2.3.4.", "fe80::1%eth0", "::1%0"]
)
def test_a_trick_is_no_address(text: str) -> None:
    """Short, octal and hexadecimal forms, zones."""
    assert parse_address(text) is None


@given(
    ADDRESSES.map(str), st.integers(0, 40), st.text(alphabet="0123456789abcdefx.:%\u0661\u2460 ", max_size=2)
)
def test_what_is_read_is_what_the_system_reads(spelt: str, place: int, slipped_in: str) -> None:
    """No spelling means one address to us and another one to anybody else."""
    text = spelt[:place] + slipped_in + spelt[place:]
    address = parse_address(text)
    if address is not None:
        assert text.isascii()
        assert address == ipaddress.ip_address(text)
