"""A Location is resolved as RFC 3986 section 5 says, and one that is no URL is called malformed."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from taskrunner.domain.targets.url import parse_url
from taskrunner.handlers.http.location import LocationMalformed, resolve

BASE = parse_url("http://a/b/c/d;p?q")

# RFC 3986 5.4.1 and 5.4.2, without the fragments, which are not sent.
EXAMPLES = [
    ("g", "http://a/b/c/g"),
    ("./g", "http://a/b/c/g"),
    ("g/", "http://a/b/c/g/"),
    ("/g", "http://a/g"),
    ("//g", "http://g"),
    ("?y", "http://a/b/c/d;p?y"),
    ("g?y", "http://a/b/c/g?y"),
    ("#s", "http://a/b/c/d;p?q"),
    ("g#s", "http://a/b/c/g"),
    ("g?y#s", "http://a/b/c/g?y"),
    (";x", "http://a/b/c/;x"),
    ("g;x", "http://a/b/c/g;x"),
    ("g;x?y#s", "http://a/b/c/g;x?y"),
    ("", "http://a/b/c/d;p?q"),
    (".", "http://a/b/c/"),
    ("./", "http://a/b/c/"),
    ("..", "http://a/b/"),
    ("../", "http://a/b/"),
    ("../g", "http://a/b/g"),
    ("../..", "http://a/"),
    ("../../", "http://a/"),
    ("../../g", "http://a/g"),
    ("../../../g", "http://a/g"),
    ("../../../../g", "http://a/g"),
    ("/./g", "http://a/g"),
    ("/../g", "http://a/g"),
    ("g.", "http://a/b/c/g."),
    (".g", "http://a/b/c/.g"),
    ("g..", "http://a/b/c/g.."),
    ("..g", "http://a/b/c/..g"),
    ("./../g", "http://a/b/g"),
    ("./g/.", "http://a/b/c/g/"),
    ("g/./h", "http://a/b/c/g/h"),
    ("g/../h", "http://a/b/c/h"),
    ("g;x=1/./y", "http://a/b/c/g;x=1/y"),
    ("g;x=1/../y", "http://a/b/c/y"),
    ("g?y/./x", "http://a/b/c/g?y/./x"),
    ("g?y/../x", "http://a/b/c/g?y/../x"),
    ("g#s/./x", "http://a/b/c/g"),
]
SIBLINGS = [
    ("?", "http://a/b/c/d;p?"),
    ("g?", "http://a/b/c/g?"),
    ("/x//y/../z", "http://a/x//z"),
    ("/a%2fb?x=%2f", "http://a/a%2fb?x=%2f"),
    ("/%2e%2e/x", "http://a/%2e%2e/x"),
    ("http://g/x/../y", "http://g/y"),
    ("http://g:/x", "http://g/x"),
    ("http://g:", "http://g"),
    ("http://g:0080/x", "http://g:80/x"),
    ("http://g:08080/", "http://g:8080/"),
    ("http://[2606:4700::1]:/x", "http://[2606:4700::1]/x"),
    ("HTTPS://G/x", "https://G/x"),
    ("//g:8080?q", "http://g:8080?q"),
    ("http://-g-.example/", "http://-g-.example/"),
    ("/x?file=C:\\a", "http://a/x?file=C:%5Ca"),
    ("/a b", "http://a/a%20b"),
    ("g/a:b", "http://a/b/c/g/a:b"),
    ("./a:b", "http://a/b/c/a:b"),
]


@pytest.mark.parametrize(("location", "target"), EXAMPLES + SIBLINGS)
def test_a_reference_is_resolved(location: str, target: str) -> None:
    """As in the examples of the RFC; what is not a dot segment stays byte for byte."""
    assert resolve(BASE, location) == target


def test_a_host_is_read_as_a_task_gives_it() -> None:
    """Names outside ASCII arrive in UTF-8."""
    text = resolve(BASE, "http://m\u00fcnchen.de/\u00fc".encode().decode("latin-1"))

    assert parse_url(text).text == "http://xn--mnchen-3ya.de/%C3%BC"


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("http:g", "no //"),
        ("http:", "no //"),
        ("https:/g", "no //"),
        ("http://", "no host"),
        ("///g", "no host"),
        ("http://:80/", "host"),
        ("http://g:99999/", "port"),
        ("http://g:0/", "port"),
        ("http://g:" + "9" * 5000 + "/", "port"),
        ("http://g:8x/", "host, port"),
        ("http://g:80:80/", "host, port"),
        ("http://g h/", "host, port"),
        ("http://a..b/", "host, port"),
        ("http://xn--a.test/", "host, port"),
        ("http://\xff/", "UTF-8"),
        ("1a:b", "reference"),
        (":b", "reference"),
        ("/a\\b", "path"),
    ],
)
def test_a_malformed_location_is_called_that(location: str, reason: str) -> None:
    """With a reason of ours, without a byte of the peer."""
    with pytest.raises(LocationMalformed, match=reason):
        resolve(BASE, location)


@given(st.lists(st.sampled_from(["", ".", "..", "a", "b;c", "..d", "%2e"]), max_size=8).map("/".join))
def test_no_dot_segment_is_left(path: str) -> None:
    """Resolving the result again changes nothing."""
    # A reference that begins with two slashes has a host, which is another test's subject.
    assume(not path.startswith("//"))
    text = resolve(BASE, path)
    segments = parse_url(text).target.split("/")
    assert not {".", ".."} & set(segments)
    assert resolve(BASE, text) == text


@given(st.text(alphabet="htps:/?#[]@.%\\0129abxn- \xe9", max_size=30))
def test_any_location_is_read_or_malformed(location: str) -> None:
    """Nothing else is raised, and the reason is never the peer's."""
    try:
        resolve(BASE, location)
    except LocationMalformed as exc:
        reason = str(exc)
    else:
        return
    assert reason.startswith("it")
