"""The grammar of Forwarded: RFC 7239, and the headers before it."""

from collections.abc import Sequence
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.api.http.forwarded import UNKNOWN, read_forwarded, read_list, read_node, read_prefix

TOKEN = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8)
# RFC 9110 5.6.4: what a quoted string may have, some of it only behind a backslash.
TEXT = st.text('\t !"\\,;=[]:_~\xe9azAZ09', max_size=12)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def headers(draw: st.DrawFn) -> tuple[str, list[dict[str, str]]]:
    """A header in one of its spellings, and what it means."""
    elements, spelt = [], []
    for _ in range(draw(st.integers(0, 4))):
        pairs = draw(st.dictionaries(TOKEN.map(str.lower), st.one_of(TOKEN, TEXT), min_size=1, max_size=4))
        texts = []
        for name, value in pairs.items():
            plain = value and set(value) <= set("!#$%&'*+-.^_`|~09azAZ")
            written = value if plain and draw(st.booleans()) else quoted(value)
            texts.append(f"{draw(st.sampled_from([name, name.upper()]))}={written}")
        separator = draw(st.sampled_from([";", " ; ", ";;"]))
        elements.append(pairs)
        spelt.append(separator.join(texts))
        spelt += [""] * draw(st.integers(0, 1))
    return draw(st.sampled_from([",", ", ", " ,\t"])).join(spelt), elements


@given(headers())
def test_every_spelling_is_read(header: tuple[str, list[dict[str, str]]]) -> None:
    """Quoted or not, with empty members of the list, and names in any case."""
    text, elements = header
    assert read_forwarded(text) == elements


@given(st.text('for="[]:.;,=\\_ 1a\t', max_size=30))
def test_anything_is_read_or_refused(text: str) -> None:
    """No other error; and what is read can be written again."""
    try:
        elements = read_forwarded(text)
    except ValueError:
        return
    again = ", ".join(
        ";".join(f"{name}={quoted(value)}" for name, value in each.items()) for each in elements
    )
    assert read_forwarded(again) == elements


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ('for="_gazonk"', [{"for": "_gazonk"}]),
        ('For="[2001:db8:cafe::17]:4711"', [{"for": "[2001:db8:cafe::17]:4711"}]),
        (
            "for=192.0.2.60;proto=http;by=203.0.113.43",
            [{"for": "192.0.2.60", "proto": "http", "by": "203.0.113.43"}],
        ),
        ("for=192.0.2.43, for=198.51.100.17", [{"for": "192.0.2.43"}, {"for": "198.51.100.17"}]),
        ("", []),
        (" , ;, ", []),
    ],
)
def test_the_examples_of_the_standard(text: str, elements: Sequence[dict[str, str]]) -> None:
    """Section 4."""
    assert read_forwarded(text) == elements


@pytest.mark.parametrize(
    "text",
    [
        "for",
        "for=",
        "for =a",
        "for= a",
        "=a",
        "for=[2001:db8::1]",
        "for=192.0.2.1:80",
        'for="a',
        'for="a\\"',
        'for="a"b',
        "for=a b",
        "for=a;For=b",
        "for=a/b",
        'for="a\x00"',
        'for="198.51.100.1, for=192.0.2.1;host="x"',
    ],
)
def test_what_breaks_the_grammar_is_refused(text: str) -> None:
    """Also a quotation that a client has begun, so that it would swallow what the proxy adds."""
    with pytest.raises(ValueError, match="RFC 7239 section 4"):
        read_forwarded(text)


@pytest.mark.parametrize(
    ("text", "node"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("192.0.2.1:4711", "192.0.2.1"),
        ("192.0.2.1:_port", "192.0.2.1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("[2001:DB8:0::1]:80", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("[::ffff:192.0.2.1]", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_an_address_has_one_spelling(text: str, node: str) -> None:
    assert read_node(text) == ip_address(node)


@pytest.mark.parametrize("text", ["_hidden", "_SEVKISEK", "_a.b-c"])
def test_a_hidden_client_keeps_its_name(text: str) -> None:
    assert read_node(text) == text
    assert read_node(f"{text}:_80") == text


@pytest.mark.parametrize(
    "text",
    [
        "unknown",
        "unknown:80",
        "_",
        "example.com",
        "1.2.3",
        "1.2.3.256",
        "01.2.3.4",
        "[1.2.3.4]",
        "[::1",
        "::1]",
        "[fe80::1%25eth0]",
        "fe80::1%eth0",
        "1.2.3.4:",
        "1.2.3.4:123456",
        "[::1]x",
        '"1.2.3.4"',
    ],
)
def test_whatever_else_is_unknown(text: str) -> None:
    assert read_node(text) == UNKNOWN


def test_empty_members_of_a_list_do_not_count() -> None:
    assert read_list(" , 192.0.2.1,,\t_x ,") == ["192.0.2.1", "_x"]


@pytest.mark.parametrize(
    ("text", "prefix"), [("/queue", "/queue"), ("/a/b/", "/a/b"), ("/", ""), ("/%C3%A9", "/%C3%A9")]
)
def test_a_prefix_is_a_path(text: str, prefix: str) -> None:
    assert read_prefix(text) == prefix


@pytest.mark.parametrize(
    "text",
    [
        "queue",
        "//evil.example",
        "/a//b",
        "/..",
        "/a/../b",
        "/a?b",
        "/a#b",
        "/a b",
        "/%zz",
        "http://x/a",
        "/\\x",
    ],
)
def test_a_prefix_leads_to_no_other_host(text: str) -> None:
    with pytest.raises(ValueError, match="must be a path such as /queue"):
        read_prefix(text)
