"""The grammar of URLs: one spelling for each that is let in, and none for what could be read in two ways."""

import re
import socket
from ipaddress import IPv4Address, IPv6Address
from urllib.parse import urlsplit

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from taskrunner.domain.targets.url import Url, parse_url


@pytest.mark.parametrize(
    ("text", "spelt"),
    [
        ("http://example.com", "http://example.com/"),
        ("HTTP://EXAMPLE.com:80?a", "http://example.com/?a"),
        ("https://example.com:443/a#b", "https://example.com/a"),
        ("https://example.com:80/", "https://example.com:80/"),
        ("http://example.com./A?B", "http://example.com./A?B"),
        ("http://a_b.example/", "http://a_b.example/"),
        ("http://[2606:4700::0:1111]:8080", "http://[2606:4700::1111]:8080/"),
        ("http://[2606:4700::A]/", "http://[2606:4700::a]/"),
        ("http://8.8.8.8", "http://8.8.8.8/"),
        ("http://192.168.257.com/", "http://192.168.257.com/"),
        ("http://M\u00fcnchen.de/", "http://xn--mnchen-3ya.de/"),
        ("http://fa\u00df.example/", "http://xn--fa-hia.example/"),
        ("http://-a.example/", "http://-a.example/"),
        ("http://a-.example/", "http://a-.example/"),
        ("http://-/", "http://-/"),
        ("http://a.-b-.example/", "http://a.-b-.example/"),
        ("http://r3---sn-x.example/", "http://r3---sn-x.example/"),
        ("http://-a.m\u00fcnchen.de/", "http://-a.xn--mnchen-3ya.de/"),
        ("http://XN--MNCHEN-3YA.de/", "http://xn--mnchen-3ya.de/"),
        ("http://xn--fa-hia.example/", "http://xn--fa-hia.example/"),
        ("http://xn--i-7iq.ws/", "http://xn--i-7iq.ws/"),
        ("https://example.com/#@127.0.0.1", "https://example.com/"),
        ("https://example.com/%2e%2e/%2fetc", "https://example.com/%2e%2e/%2fetc"),
        ("http://example.com/a?b#c#d", "http://example.com/a?b"),
        ("http://example.com/?a=[1]|{2}^\"'<>`", "http://example.com/?a=[1]|{2}^\"'<>`"),
    ],
)
def test_a_url_has_one_spelling(text: str, spelt: str) -> None:
    """Rebuilt from its parts: lower case, no default port, a path, no fragment, names in ASCII."""
    assert parse_url(text).text == spelt
    assert parse_url(spelt) == parse_url(text)


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("http://h", "/"),
        ("http://h?", "/?"),
        ("http://h/a%2fb%2Fc?", "/a%2fb%2Fc?"),
        ("https://h:8443/a/../b//c?x=/y#z", "/a/../b//c?x=/y"),
        ("http://[2606:4700::1]:8080/a", "/a"),
    ],
)
def test_the_target_is_what_was_given(text: str, target: str) -> None:
    """Path and query, byte for byte."""
    assert parse_url(text).target == target


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "2130706433",
        "0x7f.1",
        "0X7F.0.0.1",
        "0177.0.0.1",
        "127.0.0.1.",
        "127.0.0.1.5",
        "1.2.3.0x",
        "a.0x1f",
        "00.0.0.1",
        "256.1.1.1",
        "[::1%25eth0]",
        "[fe80::1%eth0]",
        "[127.0.0.1]",
        "[example.com]",
        "[::1",
        "::1",
        "[]",
        "",
        ".",
        "a..b",
        ".a",
        "xn--a.test",
        "xn--.test",
        "xn---.test",
        "xn--abc-.test",
        "xn--99999999.test",
        "a.xn--a",
        "xn--a.xn--mnchen-3ya.de",
        "XN--A.test",
        "a" * 64 + ".example",
        ("a" * 49 + ".") * 5 + "abcd",
        "exa%6dple.com",
        "example.com%00.evil",
        "a,b",
        "a;b",
        "a b",
        "a\tb",
        "a\nb",
        "a\x00b",
        "a\\b",
        "a@b",
        "a!b",
        "a*b",
        "\u2460\u2461\u2466.\u24ea.\u24ea.\u2460",
        "\uff11\uff12\uff17.0.0.1",
        "loc\u00adalhost",
        "a\u3002b",
        "a\uff0eb",
        "\u212aelvin.example",
        "\ufffd",
        "xn--\u00fc.example",
    ],
)
def test_a_host_that_could_be_two_is_refused(host: str) -> None:
    """Numbers in disguise, escapes, zones, look-alikes, broken names."""
    with pytest.raises(ValueError):
        parse_url(f"http://{host}/")
    with pytest.raises(ValueError):
        parse_url(f"http://{host}:8080/")


@pytest.mark.parametrize(
    "url",
    [
        "http:/h/",
        "http:h/",
        "http:\\\\h\\",
        "http://h\\@g/",
        "http://h/a\\b",
        "http://h/#\\@g",
        "http://@h/",
        "http://u@h/",
        "http://u:p@h:80@g/",
        "http://h:/",
        "http://h:080/",
        "http://h:0/",
        "http://h:+80/",
        "http://h:8_0/",
        "http://h:\uff18\uff10/",
        "http://h:65536/",
        "http://h:80:80/",
        "http://h:https/",
        "http://h??g/",
        "http://h/ ",
        " http://h/",
        "http://h/\u00e9",
        "http://h/#\u00e9",
        "http://h/\x7f",
        "https//h/",
        "://h/",
        "ftp://h/",
        "file:///etc/passwd",
        "blob:http://h/",
        "",
    ],
)
def test_a_url_that_could_be_two_is_refused(url: str) -> None:
    """Whatever two parsers have been seen to read differently."""
    with pytest.raises(ValueError):
        parse_url(url)


LOOSE = st.text(
    alphabet="htps:/@\\?#[]%.0123456789xabcXYZ-_ \t\r\n\x00~!$&'()*+,;=\u00e9\u2460\u3002\uff0e", max_size=40
)


@given(st.one_of(LOOSE, LOOSE.map("http://".__add__), LOOSE.map("https://a.example".__add__)))
@example("http://a.example#@b.example/")
def test_what_is_let_in_means_the_same_to_other_parsers(text: str) -> None:
    """Python's own parser and a second look of ours find the host and port that were judged."""
    try:
        url = parse_url(text)
    except ValueError:
        return
    assert re.fullmatch(r"[\x21-\x7e]+", url.text)
    assert not set(url.text.split("/")[2]) & set("@\\%#? ")
    assert parse_url(url.text) == url
    parts = urlsplit(url.text)
    assert (parts.scheme, parts.hostname, parts.username) == (url.scheme, url.host, None)
    assert (parts.port or {"http": 80, "https": 443}[url.scheme]) == url.port


# Decimal, octal and hexadecimal numbers, of a byte or of more.
NUMERALS = st.builds(
    format, st.integers(0, 255) | st.integers(0, 2**32 - 1), st.sampled_from(["d", "d", "d", "04o", "#x"])
)


@given(
    st.text(alphabet="0123456789abcdefx.", min_size=1, max_size=20)
    | st.integers(0, 2**32 - 1).map(IPv4Address).map(str)
    | st.lists(NUMERALS, min_size=1, max_size=4).map(".".join)
)
def test_what_the_system_takes_for_a_number_is_no_name(host: str) -> None:
    """inet_aton reads octal, hexadecimal and short forms, and what follows a space."""
    try:
        packed = socket.inet_aton(host)
    except OSError:
        return
    try:
        url = parse_url(f"http://{host}/")
    except ValueError:
        return
    assert url.address == IPv4Address(packed)


@given(
    st.one_of(
        st.integers(0, 2**32 - 1).map(IPv4Address),
        st.integers(0, 2**128 - 1).map(IPv6Address),
    ),
    st.integers(1, 65_535),
)
def test_an_address_stays_itself(address: IPv4Address | IPv6Address, port: int) -> None:
    """The parts hold it as an address, and the text spells it once."""
    place = f"[{address.exploded}]" if address.version == 6 else str(address)
    url = parse_url(f"http://{place}:{port}/")
    assert (url.address, url.host, url.port) == (address, str(address), port)


LABEL = r"[a-z0-9-]{1,12}"


@given(st.from_regex(rf"{LABEL}(\.{LABEL}){{0,3}}", fullmatch=True, alphabet=st.characters(codec="ascii")))
def test_a_name_stays_itself(name: str) -> None:
    """Letters, digits and hyphens, where the last label is no number."""
    assume(not re.fullmatch(r"[0-9]+|0x[0-9a-f]*", name.rpartition(".")[2]) and "xn--" not in name)
    assert parse_url(f"https://{name.upper()}/x") == Url(
        text=f"https://{name}/x", scheme="https", host=name, address=None, port=443
    )
