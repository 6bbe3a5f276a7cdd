"""The SSRF policy: which URLs and addresses are refused, and what an operator can open."""

import pickle
from ipaddress import ip_address

import pytest

from taskrunner.domain.targets.address import Address
from taskrunner.domain.targets.ssrf_policy import DialRefusal, SsrfPolicy
from taskrunner.domain.targets.url import parse_url


def is_not_own(address: Address) -> bool:
    return False


def allows(ssrf_policy: SsrfPolicy, address: str, *, host: str = "a.example", port: int = 80) -> bool:
    return ssrf_policy.dial_refusal(host, ip_address(address), port, is_not_own) is None


@pytest.mark.parametrize(
    ("url", "settings"),
    [
        ("http://10.0.0.1/", {"allow_private": ("10.0.0.0/8",)}),
        ("http://10.0.0.1/", {"allow_private": ("10.0.0.1",)}),
        ("http://[fd00::1]/", {"allow_private": ("fc00::/7",)}),
        ("http://localhost/", {"allow_private": ("localhost",)}),
        ("http://localhost./", {"allow_private": ("127.0.0.0/8",)}),
        ("http://a.localhost/", {"allow_private": ("::1",)}),
        ("http://localhost:5000/", {"allow_loopback": True}),
        ("http://127.0.0.1:5000/", {"allow_loopback": True}),
        ("http://[::1]:5000/", {"allow_loopback": True}),
        ("http://a.example:5000/", {"allow_loopback": True}),
        ("http://a.example:5000/", {"ports": (5000,)}),
    ],
)
def test_an_operator_can_open_targets(url: str, settings: dict[str, tuple[str, ...] | bool]) -> None:
    """An operator can open networks, addresses, hosts, ports and loopback; all are refused by default."""
    assert SsrfPolicy(**settings).refusal(parse_url(url)) is None  # type: ignore[arg-type]  # as many kinds as settings
    assert SsrfPolicy().refusal(parse_url(url)) is not None


EVERYTHING = SsrfPolicy(
    allow_private=("0.0.0.0/0", "::/0", "metadata.google.internal"), allow_loopback=True, ports=(80,)
)


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "fd00:ec2::254",
        "0.0.0.0",
        "::",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
        "::ffff:0.0.0.0",
    ],
)
def test_metadata_stays_refused(address: str) -> None:
    """No setting opens a metadata address, in any notation or by any name."""
    host = f"[{address}]" if ":" in address else address
    assert not allows(EVERYTHING, address)
    assert not allows(EVERYTHING, address, host="metadata.google.internal")
    assert EVERYTHING.refusal(parse_url(f"http://{host}/")) is not None


def test_a_metadata_name_stays_refused() -> None:
    """The name is refused before any look-up."""
    for name in ("metadata.google.internal", "METADATA.google.internal.", "instance-data"):
        assert EVERYTHING.refusal(parse_url(f"http://{name}/")) == "names a metadata service"


def test_an_opened_nat64_prefix_opens_no_private_network() -> None:
    """Opening NAT64 opens the public internet behind it, not the private networks."""
    ssrf_policy = SsrfPolicy(allow_private=("64:ff9b::/96",))
    assert allows(ssrf_policy, "64:ff9b::8.8.8.8")
    assert not allows(ssrf_policy, "64:ff9b::10.0.0.1")
    assert allows(SsrfPolicy(allow_private=("64:ff9b::/96", "10.0.0.0/8")), "64:ff9b::10.0.0.1")


def test_a_host_is_open_by_its_name_alone() -> None:
    """Its addresses are open for that name only, and on the allowed ports only."""
    ssrf_policy = SsrfPolicy(allow_private=("DB.internal",))
    assert allows(ssrf_policy, "10.0.0.1", host="db.internal.")
    assert not allows(ssrf_policy, "10.0.0.1", host="other.internal")
    assert not allows(ssrf_policy, "10.0.0.1", host="x.db.internal")
    assert not allows(ssrf_policy, "10.0.0.1", host="db.internal", port=5432)


def test_loopback_is_open_on_any_port_and_nothing_else_is() -> None:
    """An IPv4-mapped loopback address does not count as loopback."""
    ssrf_policy = SsrfPolicy(allow_loopback=True)
    assert allows(ssrf_policy, "127.0.0.1", port=5000)
    assert allows(ssrf_policy, "::1", port=5000)
    assert not allows(ssrf_policy, "::ffff:127.0.0.1")
    assert not allows(ssrf_policy, "10.0.0.1")
    assert not allows(ssrf_policy, "93.184.216.34", port=5000)
    assert allows(ssrf_policy, "93.184.216.34")


def test_an_address_of_our_own_is_private() -> None:
    """It is refused even if it is public; an operator can open it like any other."""
    own = ip_address("93.184.216.34")
    assert SsrfPolicy().dial_refusal("a.example", own, 80, own.__eq__) is DialRefusal.OWN_ADDRESS
    assert SsrfPolicy(allow_private=("93.184.216.34",)).dial_refusal("a.example", own, 80, own.__eq__) is None
    assert SsrfPolicy(allow_private=("a.example",)).dial_refusal("a.example", own, 80, own.__eq__) is None


def test_our_own_services_are_refused() -> None:
    """They are refused even where their port and network are open."""
    ssrf_policy = SsrfPolicy(
        allow_private=("10.0.0.0/8",), ports=(5672,), endpoints=(("Rabbit.test", 5672), ("10.0.0.9", 5672))
    )
    assert ssrf_policy.refusal(parse_url("http://rabbit.test.:5672/")) is not None
    assert ssrf_policy.refusal(parse_url("http://10.0.0.9:5672/")) is not None
    assert ssrf_policy.refusal(parse_url("http://10.0.0.8:5672/")) is None


def test_it_is_a_plain_value() -> None:
    """It can be pickled and compared."""
    ssrf_policy = SsrfPolicy(allow_private=("10.0.0.0/8", "db.internal"), endpoints=(("a", 1),))
    there = pickle.loads(pickle.dumps(ssrf_policy))
    assert there == ssrf_policy
    assert hash(there) == hash(ssrf_policy)
    assert allows(there, "10.0.0.1")
    assert allows(there, "192.168.0.1", host="db.internal")
