"""Whom trusted proxies name: read from the last proxy back, and from nobody else."""

from collections.abc import Mapping, Sequence

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict

from taskrunner.api.http.client_address import (
    Source,
    TrustedProxies,
    address_of,
    is_https,
    is_near,
    remember_source,
)
from taskrunner.api.http.problems import RequestRefused

PROXIES = TrustedProxies(["10.0.0.0/8", "2001:db8:1::/48", "127.0.0.1/32"])
Headers = Sequence[tuple[str, str]]


def request(peer: str, headers: Headers | Mapping[str, str]) -> web.Request:
    """Remembered as the guard does it."""
    made = make_mocked_request("GET", "/tasks", CIMultiDict(headers)).clone(remote=peer)
    remember_source(made, Source(client=PROXIES.read(made)))
    return made


@pytest.mark.parametrize("peer", ["192.0.2.1", "2001:db8:2::1", "11.0.0.1", "127.0.0.2", "::1", "nonsense"])
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"},
        {"Forwarded": "for=198.51.100.7;proto=https;host=evil.example"},
        {"Forwarded": "no grammar at all"},
        {"X-Forwarded-Prefix": "//evil.example"},
    ],
)
def test_nobody_else_is_believed(peer: str, headers: Mapping[str, str]) -> None:
    """Not even that the request is wrong."""
    made = request(peer, headers)
    assert (address_of(made), is_https(made), PROXIES.read(made)) == (peer, False, None)


@pytest.mark.parametrize(
    ("headers", "address"),
    [
        ([], "10.0.0.1"),
        ([("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
        ([("X-Forwarded-For", "1.1.1.1, 198.51.100.7")], "198.51.100.7"),
        ([("X-Forwarded-For", "no address, 198.51.100.7:4711")], "198.51.100.7"),
        ([("X-Forwarded-For", "1.1.1.1, 198.51.100.7, 10.1.1.1, [2001:db8:1::5]:80")], "198.51.100.7"),
        ([("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "198.51.100.7, 10.1.1.1")], "198.51.100.7"),
        ([("X-Forwarded-For", "198.51.100.7"), ("X-Forwarded-For", "10.1.1.1")], "198.51.100.7"),
        ([("X-Forwarded-For", "10.2.2.2, 10.1.1.1")], "10.2.2.2"),
        ([("X-Forwarded-For", "198.51.100.7, unknown")], "unknown"),
        ([("X-Forwarded-For", "198.51.100.7, evil.example")], "unknown"),
        ([("Forwarded", "for=1.1.1.1, for=198.51.100.7")], "198.51.100.7"),
        ([("Forwarded", 'for=1.1.1.1;host=a, for="[2001:db8:2::7]:80", For=10.1.1.1')], "2001:db8:2::7"),
        ([("Forwarded", "for=198.51.100.7"), ("forwarded", "for=10.1.1.1;by=10.0.0.1")], "198.51.100.7"),
        ([("Forwarded", "for=198.51.100.7, for=_hidden")], "_hidden"),
        ([("Forwarded", "for=198.51.100.7, for=unknown")], "unknown"),
        ([("Forwarded", "for=198.51.100.7, proto=https")], "10.0.0.1"),
        ([("Forwarded", "for=198.51.100.7"), ("X-Forwarded-For", "198.51.100.7")], "198.51.100.7"),
    ],
)
def test_the_client_is_the_last_that_no_proxy_is(headers: Headers, address: str) -> None:
    """Whatever stands before it may be made up by the client."""
    for peer in ("10.0.0.1", "::ffff:10.0.0.1"):
        found = address_of(request(peer, headers))
        assert found == (peer if address == "10.0.0.1" else address)


@pytest.mark.parametrize(
    ("headers", "scheme", "host", "prefix"),
    [
        ([("X-Forwarded-Proto", "HTTPS")], "https", None, ""),
        ([("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-Proto", "http, https")], "https", None, ""),
        ([("X-Forwarded-For", "1.1.1.1, 10.1.1.1"), ("X-Forwarded-Proto", "https, http")], "https", None, ""),
        ([("X-Forwarded-For", "1.1.1.1, 10.1.1.1"), ("X-Forwarded-Proto", "https")], "https", None, ""),
        ([("X-Forwarded-Host", "evil.example, a.example:8443")], None, "a.example:8443", ""),
        ([("X-Forwarded-Prefix", "/evil, /queue/")], None, None, "/queue"),
        ([("Forwarded", "for=1.1.1.1;proto=http, for=2.2.2.2;proto=https;host=b")], "https", "b", ""),
        ([("Forwarded", 'for=2.2.2.2;host="b:80", for=10.1.1.1;proto=https;host=c')], "https", "b:80", ""),
        ([("Forwarded", "for=2.2.2.2"), ("X-Forwarded-Prefix", "/q")], None, None, "/q"),
        ([("Forwarded", "for=2.2.2.2"), ("X-Forwarded-Host", "evil")], None, None, ""),
        ([("Forwarded", "for=2.2.2.2"), ("X-Forwarded-Proto", "https")], None, None, ""),
    ],
)
def test_the_outermost_proxy_tells_the_rest(
    headers: Headers, scheme: str | None, host: str | None, prefix: str
) -> None:
    """Each list is read as far as proxies have written it; one proxy may replace what others add to."""
    client = PROXIES.read(request("10.0.0.1", headers))
    assert client is not None
    assert (client.scheme, client.host, client.prefix) == (scheme, host, prefix)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({"Forwarded": 'for="1.1.1.1'}, "Forwarded: is not name=value pairs"),
        ({"Forwarded": "for=1.1.1.1;proto=gopher"}, "Forwarded: proto: must be http or https"),
        ({"X-Forwarded-Proto": "ftp"}, "X-Forwarded-Proto: must be http or https"),
        ({"X-Forwarded-Prefix": "//evil.example"}, "X-Forwarded-Prefix: must be a path"),
        ({"Forwarded": "for=1.1.1.1", "X-Forwarded-For": "2.2.2.2"}, "name different clients"),
        ({"Forwarded": "host=evil.example", "X-Forwarded-For": "2.2.2.2"}, "name different clients"),
    ],
)
def test_a_proxy_that_does_not_know_what_it_passes_on_is_refused(
    headers: Mapping[str, str], reason: str
) -> None:
    """Of two headers that differ, one was sent by the client itself."""
    with pytest.raises(RequestRefused, match=reason):
        request("10.0.0.1", headers)


ANY = st.sampled_from(["for=6.6.6.6", "for=10.9.9.9", 'for="_x"', "proto=http;host=evil", "for=127.0.0.1"])


@given(st.lists(ANY, max_size=4), st.lists(st.sampled_from(["10.1.1.1", "10.2.2.2"]), max_size=3))
def test_a_client_cannot_make_itself_another(lies: list[str], proxies: list[str]) -> None:
    """Whatever it sends, in either way, in one line or in several."""
    truth = ["198.51.100.7", *proxies]
    lists = [each.partition("=")[2].strip('"') for each in lies if each.startswith("for=")]
    written = [
        [("Forwarded", ", ".join([*lies, *(f"for={each}" for each in truth)]))],
        [*(("Forwarded", each) for each in lies), *(("Forwarded", f"for={each}") for each in truth)],
        [("X-Forwarded-For", ", ".join([*lists, *truth]))],
        [("X-Forwarded-For", each) for each in [*lists, *truth]],
    ]
    assert [address_of(request("10.0.0.1", each)) for each in written] == ["198.51.100.7"] * 4


@pytest.mark.parametrize(
    "name",
    [
        "Forwarded",
        "Via",
        "X-Forwarded-For",
        "X-Forwarded-Host",
        "X-Forwarded-Port",
        "X-Forwarded-Server",
        "X-Forwarded-Anything",
        "X-Real-IP",
        "X-Client-IP",
        "True-Client-IP",
        "CF-Connecting-IP",
        "CDN-Loop",
    ],
)
@pytest.mark.parametrize("peer", ["::1", "127.0.0.2", "::ffff:127.0.0.3"])
def test_what_came_by_a_proxy_on_this_machine_is_not_near(name: str, peer: str) -> None:
    assert is_near(request(peer, {}))
    assert not is_near(request(peer, {name: "127.0.0.1"}))
    assert not is_near(request(peer, {name.lower(): ""}))


def test_a_trusted_proxy_is_never_near() -> None:
    """Also without a header: what comes from its address comes by it."""
    assert not is_near(request("127.0.0.1", {}))
    assert not is_near(request("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}))
