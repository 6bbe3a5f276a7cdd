"""JSON text is cut, not parsed and written anew: what comes out is spelt as it came."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.json_text import (
    MAX_DEPTH,
    JsonText,
    JsonUnfit,
    elements,
    join,
    may_name,
    members,
    merge,
    merge_fields,
    set_any_aside,
    set_aside,
)

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
SPELLINGS = [
    "12345678901234567890.123456789",
    "1.10",
    "1E400",
    "-0",
    "9" * 5000,
    r'"\ud83d"',
    r'"\/\u0041"',
    '{"a":1,"a":2}',
    '[ 1 ,\t{ "b" : [ ] } ]',
]


@given(st.lists(values, max_size=5), st.sampled_from([None, 2]), st.booleans())
def test_elements_are_those_of_the_array(array: list[object], indent: int | None, ascii_only: bool) -> None:
    """However it is laid out."""
    raw = json.dumps(array, indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
    assert [json.loads(each.decode("utf-8", "surrogatepass")) for each in elements(raw)] == array


@given(st.dictionaries(st.text(max_size=5), values, max_size=5), st.sampled_from([None, 2]))
def test_members_are_those_of_the_object(document: dict[str, object], indent: int | None) -> None:
    """And `join` puts them together again."""
    found = members(json.dumps(document, indent=indent))
    assert {name: json.loads(value) for name, value in found.items()} == document
    assert json.loads(join(found)) == document


@given(st.dictionaries(st.text(max_size=5) | st.just("body"), values, max_size=4), values, st.booleans())
def test_the_body_is_set_aside(fields: dict[str, object], body: object, ascii_only: bool) -> None:
    """An object or array becomes a string with its text; any other value, and all other members, stay."""
    document = {**fields, "body": body}
    raw = json.dumps(document, ensure_ascii=ascii_only).encode()
    rest, was_cut = set_aside(raw, "body")
    assert was_cut is isinstance(body, dict | list)
    if was_cut:
        text = json.dumps(body, ensure_ascii=ascii_only)
        assert json.loads(rest) == {**document, "body": text}
    else:
        assert rest == raw


NAMES = ["data", r"d\u0061ta", r"\u0064\u0061\u0074\u0061"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("blank", ["", " "])
@pytest.mark.parametrize("spelling", [*SPELLINGS, '":"', '","', '"data"', '"\\u0064ata"', "null", "[]", "1"])
@pytest.mark.parametrize(
    "document",
    [
        "{{{}}}",
        '{{"a":1,{}}}',
        '{{{},"a":":"}}',
        '{{"x":[{{"data":1}}],{},"y":"data"}}',
        '{{"a":"\\"data\\":",{}}}',
    ],
)
def test_a_member_is_set_aside_however_it_is_spelt(
    name: str, blank: str, spelling: str, document: str
) -> None:
    """Its name may be spelt with escapes; its value becomes a string with its text."""
    raw = document.format(f'"{name}"{blank}:{blank}{spelling}').encode()
    assert may_name(raw, "data")
    rest = json.loads(set_any_aside(raw, "data"))
    assert rest.pop("data") == spelling
    expected = json.loads(document.format('"data":null'))
    del expected["data"]
    assert rest == expected


@given(st.dictionaries(st.text(max_size=5) | st.just("data"), values, max_size=4), values, st.booleans())
def test_any_member_is_set_aside(fields: dict[str, object], data: object, ascii_only: bool) -> None:
    document = {**fields, "data": data}
    for separators in ((",", ":"), (", ", ": ")):
        raw = json.dumps(document, ensure_ascii=ascii_only, separators=separators).encode()
        rest = json.loads(set_any_aside(raw, "data"))
        text = json.dumps(data, ensure_ascii=ascii_only, separators=separators)
        assert rest == {**document, "data": text}


def test_a_name_that_is_given_in_two_spellings_is_given_twice() -> None:
    for first, second in (NAMES[:2], NAMES[1:], NAMES[:1] * 2):
        with pytest.raises(JsonUnfit, match="more than once"):
            set_any_aside(f'{{"{first}":1,"{second}":1}}'.encode(), "data")


@pytest.mark.parametrize("raw", [b'{"url":"a"}', b'{"url":"data"}', rb'{"url":"\n"}', b'{"a":{"datum":1}}'])
def test_most_texts_have_no_member_to_be_set_aside(raw: bytes) -> None:
    assert set_any_aside(raw, "data") == raw
    assert may_name(raw, "data") is (b'"data"' in raw)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_every_spelling_stays(spelling: str) -> None:
    """As an element, as a member, and within a body."""
    assert elements(f"[1, {spelling} ,2]".encode())[1] == spelling.encode()
    assert members(f'{{"a" : {spelling} }}', opaque="a")["a"] == spelling
    rest, was_cut = set_aside(f'{{"url":"u", "body": [{spelling}]  }}'.encode(), "body")
    assert was_cut
    assert json.loads(rest)["body"] == f"[{spelling}]"


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ('{"url":"a","url":"b"}', "url"),
        (r'{"url":"a","\u0075rl":"b"}', "url"),
        ('{"headers":{"a":"1","a":"2"}}', "headers.a"),
        ('{"rules":[{"when":{"status":1,"status":2}}]}', "rules.status"),
        ('{"body":{},"body":{}}', "body"),
        ('{"body":"x","body":{}}', "body"),
        ('{"body":{"a":1,"a":2},"labels":{"a":"1","a":"2"}}', "labels.a"),
        ('{"body":' + "[" * 33 + "]" * 33 + "}", "body"),
        ('{"body":[NaN]}', "body"),
    ],
)
def test_what_is_given_twice_or_too_deep_is_named(raw: str, path: str) -> None:
    """With its path; members of a body are the target's and may repeat."""
    with pytest.raises(JsonUnfit) as caught:
        set_aside(raw.encode(), "body")
    assert caught.value.path == path
    fine = b'{"url":"a","body":{"a":1,"a":2},"rules":[{"when":{"status":1}},{"when":{"status":2}}]}'
    assert set_aside(fine, "body")[1]


@pytest.mark.parametrize("depth", [1, MAX_DEPTH])
@pytest.mark.parametrize("leaf", ["", "1", '"[[[["', r'"\"[{\\"'])
def test_a_body_may_be_nested(depth: int, leaf: str) -> None:
    """Brackets in strings do not count."""
    text = "[" * depth + leaf + "]" * depth
    assert set_aside(f'{{"body":{text}}}'.encode(), "body")[1]
    with pytest.raises(JsonUnfit, match="deep"):
        set_aside(f'{{"body":{"[" * MAX_DEPTH}{text}{"]" * MAX_DEPTH}}}'.encode(), "body")


@pytest.mark.parametrize(
    "raw", ["[", "[1,]", "[,1]", "[1 2]", "[1]x", "[1}", '["a]', "[" * 100_000, "{}", "", "[1,,2]"]
)
def test_what_is_no_array_is_refused(raw: str) -> None:
    """Whole."""
    with pytest.raises(JsonUnfit):
        elements(raw.encode())


@pytest.mark.parametrize("raw", ["{", '{"a"}', '{"a":1,}', "{a:1}", '{"a":1 "b":2}', '{"a":1]', "[]", ""])
def test_what_is_no_object_is_refused(raw: str) -> None:
    """With the place of the fault."""
    with pytest.raises(JsonUnfit):
        members(raw)


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        # RFC 7396 appendix A.
        ('{"a":"b"}', '{"a":"c"}', {"a": "c"}),
        ('{"a":"b"}', '{"b":"c"}', {"a": "b", "b": "c"}),
        ('{"a":"b"}', '{"a":null}', {}),
        ('{"a":"b","b":"c"}', '{"a":null}', {"b": "c"}),
        ('{"a":["b"]}', '{"a":"c"}', {"a": "c"}),
        ('{"a":"c"}', '{"a":["b"]}', {"a": ["b"]}),
        ('{"a":{"b":"c"}}', '{"a":{"b":"d","c":null}}', {"a": {"b": "d"}}),
        ('{"a":[{"b":"c"}]}', '{"a":[1]}', {"a": [1]}),
        ('["a","b"]', '["c","d"]', ["c", "d"]),
        ('{"a":"b"}', '["c"]', ["c"]),
        ('{"a":"foo"}', "null", None),
        ('{"a":"foo"}', '"bar"', "bar"),
        ('{"e":null}', '{"a":1}', {"e": None, "a": 1}),
        ("[1,2]", '{"a":"b","c":null}', {"a": "b"}),
        ("{}", '{"a":{"bb":{"ccc":null}}}', {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_is_applied(target: str, patch: str, merged: object) -> None:
    """As the RFC's own table says."""
    assert json.loads(merge(target, patch)) == merged


def test_a_merge_keeps_spellings() -> None:
    """Only what the patch names is changed."""
    assert merge('{"a":1.10,"b":2}', '{"b":3.0}') == '{"a":1.10,"b":3.0}'
    assert isinstance(JsonText("[]"), str)


@pytest.mark.parametrize(
    ("patch", "merged"),
    [
        ('{"a":null}', '{"b":2}'),
        ('{"c":null}', '{"a":1,"b":2}'),
        ('{"d":null}', '{"a":1,"b":2,"d":null}'),
        ('{"":null,"a":3}', '{"a":3,"b":2,"":null}'),
    ],
)
def test_a_null_for_an_unknown_member_stays_to_be_refused(patch: str, merged: str) -> None:
    """Of the members of the target, and of those that it might have."""
    assert merge_fields('{"a":1,"b":2}', patch, {"a", "b", "c"}) == merged
