"""Documents that rules read: every spelling whose meaning is certain; all others are told."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.retries.response_json import MAX_JSON_BYTES, MISSING, BodyUnreadable, read_document
from taskrunner.domain.retries.rules import JsonCondition, Rule, RuleAction, When, first_match
from taskrunner.domain.tasks.outcome import Response

STATE = '{"state": "running", "who": "J\u00fcrgen"}'
JSON = "application/json"


def read(body: bytes, content_type: str | None = None, **fields: Any) -> Any:
    return read_document(Response(status=200, body=body, content_type=content_type, **fields))


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["bare", "marked"])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"], ids=lambda name: name
)
@pytest.mark.parametrize("text", [STATE, "[1]", "7", '"\u4e2d"', "\n {}"])
@pytest.mark.parametrize("content_type", [None, JSON, f"{JSON}; charset=iso-8859-1"])
def test_unicode_is_recognised(text: str, encoding: str, mark: str, content_type: str | None) -> None:
    """RFC 8259 8.1 and RFC 4627 section 3: the bytes say it, whatever the charset says."""
    assert read((mark + text).encode(encoding), content_type) == json.loads(text)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("ISO-8859-1", "J\u00fcrgen"),
        ("latin1", "J\u00fcrgen"),
        ("iso-8859-15", "10 \u20ac"),
        ("windows-1252", "\u201cquoted\u201d"),
        ("cp1251", "\u043e\u0447\u0435\u0440\u0435\u0434\u044c"),
        ("KOI8-R", "\u043e\u0447\u0435\u0440\u0435\u0434\u044c"),
        ("Shift_JIS", "\u30ad\u30e5\u30fc"),
        ("EUC-JP", "\u30ad\u30e5\u30fc"),
        ("gb18030", "\u961f\u5217"),
        ("Big5", "\u4f47\u5217"),
        ("euc-kr", "\ub300\uae30"),
    ],
)
@pytest.mark.parametrize("form", ["; charset={}", ';charset="{}"', "; version=1; Charset={}"])
def test_a_named_charset_is_read(charset: str, text: str, form: str) -> None:
    """Where the body is not UTF-8."""
    body = json.dumps({"a": text}, ensure_ascii=False).encode(charset)

    assert read(body, JSON + form.format(charset)) == {"a": text}


@pytest.mark.parametrize(
    "prefix",
    [
        ")]}',\n",
        ")]}', ",
        ")]}'\n\n",
        ")]}\n",
        "while(1);",
        "while (1);\n",
        "while(true);",
        "for(;;);",
        "for (;;);",
        "throw 1;",
        "throw 1; < don't be evil >",
        "{}&&",
        "{} && ",
        "&&&START&&&",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_prefix_against_scripts_is_skipped(prefix: str, encoding: str) -> None:
    """Angular, Spring, Google, Facebook and Dojo know them."""
    assert read((prefix + STATE).encode(encoding), "text/plain") == json.loads(STATE)


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"a": "x\\ud83d"}', {"a": "x\ud83d"}),
        (b'{"a": "\\udc00\\ud800"}', {"a": "\udc00\ud800"}),
        (b'{"\\ud800": 1, "state": "running"}', {"\ud800": 1, "state": "running"}),
        (b'{"a": "\\ud800", "n": ' + b"9" * 5_000 + b"}", {"a": "\ud800", "n": float("inf")}),
    ],
    ids=["high", "turned", "in a name", "beside a long number"],
)
def test_what_the_grammar_allows_is_read(body: bytes, document: Any) -> None:
    """RFC 8259 8.2: parsers differ on lone surrogates, the rest of the document is certain."""
    assert read(body, JSON) == document


@pytest.mark.parametrize(
    ("body", "content_type", "reason"),
    [
        (b'{"a": 1', None, "is not valid JSON"),
        (b'{"a": NaN}', None, "is not valid JSON"),
        (b"[1] [2]", None, "is not valid JSON"),
        (b"[" * 100_000, None, "is not valid JSON"),
        (b'[1, "\\ud800", -Infinity]', None, "is not valid JSON"),
        (b"not json", JSON, "is not valid JSON"),
        (b"<html>", "application/problem+json; charset=utf-8", "is not valid JSON"),
        (b"%%%" + STATE.encode(), "text/json", "is not valid JSON"),
        (b")]}',\n{", "text/plain", "is not valid JSON"),
        (b'{"a": "J\xfcrgen"}', JSON, "is not UTF-8, and its Content-Type names no charset"),
        (b'{"a": "\xed\xa0\x80"}', JSON, "is not UTF-8, and its Content-Type names no charset"),
        (b"[\0]", JSON, "is not UTF-16-LE, and its Content-Type names no charset"),
        (b'["\xfc"]', f"{JSON}; charset=klingon", "has a charset in its Content-Type that is not known"),
        (b'["\xfc"]', f"{JSON}; charset=punycode", "has a charset in its Content-Type that is not known"),
        (b'["\xfc"]', f"{JSON}; charset=base64", "has a charset in its Content-Type that is not known"),
        (b'["\x81"]', f"{JSON}; charset=windows-1252", "does not match the charset of its Content-Type"),
        (b'["' + b"x" * MAX_JSON_BYTES + b'"]', None, "of which rules read at most 262144"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_read_is_told(body: bytes, content_type: str | None, reason: str) -> None:
    """A condition that only does not hold would take a running job for done."""
    with pytest.raises(BodyUnreadable, match=reason):
        read(body, content_type)


@pytest.mark.parametrize("body", [b"", b'{"a": 1}', b'{"a":', b"\xff\xfe{\0"])
def test_a_body_that_was_not_kept_to_its_end_is_told(body: bytes) -> None:
    """Also if nothing of it was kept, and if what was kept is a document by itself."""
    with pytest.raises(BodyUnreadable, match=r"not kept to its end \(Fetch.store_body_bytes\)"):
        read(body, truncated=True)


@pytest.mark.parametrize("body", [b"<html>", b"\x1f\x8b\x08", b'{"a": 1'])
def test_a_coding_that_does_not_match_is_told(body: bytes) -> None:
    """What the bytes mean is not known, however they begin; JSON that was never coded is read."""
    with pytest.raises(BodyUnreadable, match="does not match its Content-Encoding"):
        read(body, "text/html", undecodable=True)
    assert read(b'{"a": 1}', undecodable=True) == {"a": 1}


@pytest.mark.parametrize(
    ("body", "content_type", "fields"),
    [
        (b"", JSON, {}),
        (b"", None, {}),
        (b"\xff\xfe", None, {}),
        (b"not json", None, {}),
        (b"OK", "text/plain", {}),
        (b"<html></html>", "text/html", {}),
        (b"<html>", "text/html", {"truncated": True}),
        (b"<a>" * MAX_JSON_BYTES, "application/xml", {}),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png", {}),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_is_no_json_has_no_document(
    body: bytes, content_type: str | None, fields: dict[str, Any]
) -> None:
    """It was read well enough: no condition holds."""
    assert read(body, content_type, **fields) is MISSING


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(
    DOCUMENTS,
    st.booleans(),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"]),
    st.sampled_from(["", ")]}',\n", "for(;;);"]),
)
def test_every_document_is_read_in_every_coding(
    value: Any, ascii_only: bool, encoding: str, prefix: str
) -> None:
    """The same value comes out."""
    text = prefix + json.dumps(value, ensure_ascii=ascii_only)

    assert read(text.encode(encoding), JSON) == value


@given(st.binary(max_size=80), st.text(max_size=40), st.booleans())
def test_no_body_breaks_a_rule(body: bytes, content_type: str, undecodable: bool) -> None:
    """Whatever the target sends: the rule holds or not, or a sentence without a byte of it says why."""
    response = Response(status=200, body=body, content_type=content_type, undecodable=undecodable)
    exists = Rule(when=When(json=JsonCondition(path="$")), then=RuleAction.FAIL)

    index, reason = first_match((exists,), response)

    assert index is None or reason is None
    assert reason is None or reason.isascii()
