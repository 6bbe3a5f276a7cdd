"""Names of hosts and patterns for them: one spelling, and the most specific pattern counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.errors import HostLimitInvalid
from taskrunner.domain.hosts.host_limit import HostLimit, HostLimits, read_limit
from taskrunner.domain.hosts.host_name import check_host_name, check_pattern, host_of, patterns_for
from taskrunner.domain.targets.url import parse_url

ONE = HostLimit(concurrency=1)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://example.com/", "example.com"),
        ("https://example.com/a/b?c=d", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("http://[2001:db8::1]:8080/x", "[2001:db8::1]:8080"),
        ("http://example.com./", "example.com"),
        ("http://example.com.:81/", "example.com:81"),
        ("http://example.com:443/", "example.com"),
        ("http://[2001:db8::80]/", "[2001:db8::80]"),
        ("http://u:p@example.com/", "example.com"),
        ("nonsense", ""),
    ],
)
def test_a_host_is_the_authority_of_its_urls(url: str, host: str) -> None:
    """Without user information and the dot of an absolute name."""
    assert host_of(url) == host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("a.com", "a.com"),
        ("a.com:443", "a.com"),
        ("a.com:80", "a.com"),
        (" A.Com. ", "a.com"),
        ("A.com.:443", "a.com"),
        ("a.com.:8443", "a.com:8443"),
        ("[2001:DB8:0::1]:80", "[2001:db8::1]"),
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("bücher.example:81", "xn--bcher-kva.example:81"),
    ],
)
def test_people_may_spell_a_host_as_they_like(text: str, host: str) -> None:
    assert check_host_name(text) == host


@pytest.mark.parametrize("text", ["*", "*.a.com", "a.com/", "", "1.2.3", "[::z]", "u@a.com"])
def test_what_is_no_host_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        check_host_name(text)


@pytest.mark.parametrize("pattern", ["[2001:DB8:0::1]:8443", "[2001:db8:0:0:0:0:0:1]"])
def test_a_limit_holds_for_an_address_however_it_is_spelt(pattern: str) -> None:
    """Else it would be kept, and hold for nothing."""
    assert check_pattern(pattern) in set(patterns_for(host_of("http://[2001:db8::1]:8443/")))


@given(st.text(max_size=40))
def test_any_text_has_some_host(text: str) -> None:
    """No text of a foreign message may stop a consumer."""
    assert isinstance(host_of(text), str)


@given(
    st.from_regex(
        r"https?://[A-Za-z][A-Za-z0-9-]{0,9}(\.[a-z]{2,5}){1,3}\.?(:[1-9][0-9]{1,3})?/", fullmatch=True
    )
)
def test_a_host_is_a_pattern_for_itself(url: str) -> None:
    """Whatever host a canonical URL has can be limited by its name, and by its name without a port."""
    try:
        host = host_of(parse_url(url).text)
    except ValueError:
        return
    assert check_pattern(host) == host
    assert {host, host.partition(":")[0], "*"} <= set(patterns_for(host))


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        ".",
        "*.",
        "*.:81",
        "**",
        "a*.test",
        "*.*.test",
        "a..test",
        "http://a",
        "a/b",
        "a:0",
        "a:x",
        "a b",
        ":80",
        "a:65536",
        "*:99999",
        "127.1",
        "0x7f.1",
        "*.[::1]",
        "::1",
        "*.BÜCHER.example",
        "[::z]",
        "[1.2.3.4]",
        "[a.test]:80",
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    """`*.`, too: a suffix that was forgotten must not limit every host."""
    with pytest.raises(ValueError, match="must be a host"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "spelt"),
    [
        (" *.A.Test.:81 ", "*.a.test:81"),
        ("[2001:DB8:0::1]:8080", "[2001:db8::1]:8080"),
        ("*.bücher.example", "*.xn--bcher-kva.example"),
    ],
)
def test_a_pattern_is_spelt_as_the_hosts_of_urls_are(pattern: str, spelt: str) -> None:
    """Else its limit would never hold."""
    assert check_pattern(pattern) == spelt


@pytest.mark.parametrize("pattern", ["a.test:65536", "*:99999"])
def test_a_port_that_cannot_be_is_refused(pattern: str) -> None:
    """A limit for it would never count."""
    with pytest.raises(ValueError, match="must be a host"):
        check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "holds", "not_for"),
    [
        ("*", ["a.test", "[::1]:80", "127.0.0.1"], []),
        ("*:81", ["a.test:81"], ["a.test", "a.test:82"]),
        ("*.a.test", ["b.a.test", "c.b.a.test:81"], ["a.test", "xa.test"]),
        ("a.test", ["a.test", "a.test:81"], ["b.a.test", "a.test.b"]),
        ("a.test:81", ["a.test:81"], ["a.test"]),
        ("a.test:443", ["a.test", "a.test:443"], ["a.test:81", "a.test:80", "b.test"]),
        ("[::1]:80", ["[::1]"], ["[::1]:81"]),
        ("[::1]", ["[::1]", "[::1]:81"], ["[::2]"]),
    ],
)
def test_a_pattern_holds_for(pattern: str, holds: list[str], not_for: list[str]) -> None:
    assert check_pattern(pattern) == pattern
    assert all(pattern in patterns_for(host) for host in holds)
    assert not any(pattern in patterns_for(host) for host in not_for)


def test_the_most_specific_pattern_counts() -> None:
    """A host before a suffix, a longer suffix before a shorter, and of the same one that with a port."""
    ordered = ["*", "*:81", "*.test", "*.a.test", "*.a.test:81", "b.a.test", "b.a.test:81"]
    for number in range(1, len(ordered) + 1):
        book = HostLimits(dict.fromkeys(reversed(ordered[:number]), ONE))
        applied = book.find("b.a.test:81")
        assert applied is not None
        assert applied.pattern == ordered[number - 1]
    assert HostLimits({"b.test": ONE}).find("a.test") is None


def test_a_host_is_not_held_against_all_limits() -> None:
    """However many there are, a host has only a few patterns: the loop looks up each host it meets."""
    assert len(list(patterns_for("c.b.a.test:81"))) == 10


def test_what_the_api_gave_goes_over_the_configuration() -> None:
    """For the same pattern; another one of the configuration stays."""
    book = HostLimits({"a.test": ONE, "b.test": ONE}, {"a.test": HostLimit(rate=2.0)})
    found = [book.find(host) for host in ("a.test", "b.test")]
    assert [applied and applied.limit for applied in found] == [HostLimit(rate=2.0), ONE]


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("concurrency=4", HostLimit(concurrency=4)),
        ("rate=10/s burst=20", HostLimit(rate=10.0, burst=20)),
        ("rate=90/m, concurrency=2", HostLimit(rate=1.5, concurrency=2)),
        ("rate=36/h", HostLimit(rate=0.01)),
        ("rate=0.5", HostLimit(rate=0.5)),
    ],
)
def test_a_limit_can_be_text(text: str, limit: HostLimit) -> None:
    assert read_limit(text) == limit
    assert read_limit(limit.encode()) == limit
    assert read_limit(limit.text) == limit


@pytest.mark.parametrize(
    ("limit", "text"),
    [
        (HostLimit(concurrency=4, rate=10.0, burst=20), "concurrency=4 rate=10/s burst=20"),
        (HostLimit(rate=7 / 60), "rate=7/m"),
        (HostLimit(rate=5 / 3600), "rate=5/h"),
        (HostLimit(rate=0.5 / 3600), "rate=0.5/h"),
    ],
)
def test_a_rate_is_told_in_a_unit_that_can_be_read(limit: HostLimit, text: str) -> None:
    assert limit.text == text


@pytest.mark.parametrize("field", ["concurrency", "rate", "burst"])
def test_true_is_no_number(field: str) -> None:
    with pytest.raises(HostLimitInvalid, match=f"{field}: must be a .*number.*, got true"):
        read_limit({"rate": 1, field: True})


@pytest.mark.parametrize(
    ("given_", "message"),
    [
        ("", "must be such as"),
        ("10/s", "must be such as"),
        ("rate=1 rate=2", "must be such as"),
        ("rate=10/d", "must be a number with"),
        ("rate=-1", "must be a number with"),
        ("burst=3", "needs concurrency or rate"),
        ("concurrency=1 burst=3", "burst needs a rate"),
        ("speed=3", "unknown field"),
        ({"rate": 0}, "greater than 0"),
        ({"rate": float("nan")}, "finite"),
        (["x"], "must be such as"),
        (b'{"rate": "x"}', "must be a number with"),
    ],
)
def test_what_is_no_limit_is_refused(given_: object, message: str) -> None:
    with pytest.raises(HostLimitInvalid, match=message):
        read_limit(given_)
