"""`produce --api --file`: options are added to a line, of which each member stays as it is spelt."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.cli.submit_to_api import _task_line
from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits

OPTIONS = {"method": "POST", "priority": "low", "labels": {"a": "b"}}
BODIES = [
    '{"a": 12345678901234567890.123456789}',
    '{"a":1.10, "b":1E400,"c":-0}',
    '{"a":1,"a":2}',
    '{ "a" : [ 1 ,2 ] }',
    '["\\ud83d", "\\u00e9", "é", "\\/"]',
    '{"\\ud83d":0}',
    '{"id":1,"id":2,"url":{}}',
    f"[{'9' * 5000}]",
    "[" * 32 + "]" * 32,
    "{}",
    '{"\\u0061":"}{","b":"\\\\"}',
]


def sent(line: str | bytes, fields: Mapping[str, Any] = OPTIONS) -> tuple[bytes, bool]:
    raw = line.encode() if isinstance(line, str) else line
    return _task_line(7, raw, fields, lambda number, _: f"made-{number}")


def draft(line: bytes) -> TaskDraft:
    return TaskDraft.from_json(line, TaskLimits())


@pytest.mark.parametrize("body", BODIES)
def test_the_body_reaches_the_api_as_it_is_spelt(body: str) -> None:
    """The same bytes as in a submit to the store, with the options beside them."""
    raw = f'{{"url":"http://a.test/","body": {body} }}'
    line, has_our_id = sent(raw)
    read = draft(line)
    assert has_our_id
    assert body.encode() in line
    assert (read.body, read.body) == (body, draft(raw.encode()).body)
    assert (read.id, read.method, read.priority, read.labels) == ("made-7", "POST", "low", {"a": "b"})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"url":"u","method":"PUT"}', {"method": "PUT", "id": "made-7"}),
        ('{"url":"u","\\u006dethod":"PUT"}', {"method": "PUT", "id": "made-7"}),
        ('{"url":"u","id":"mine"}', {"id": "mine", "priority": "low"}),
        ('{"url":"u","\\u0069d":"mine"}', {"id": "mine"}),
        ('{"url":"u","id":null}', {"id": "made-7"}),
        ("http://a.test/?a=é", {"url": "http://a.test/?a=é", "id": "made-7"}),
        ('"http://a.test/?a=\\u00e9"', {"url": "http://a.test/?a=é", "id": "made-7"}),
    ],
)
def test_a_line_overrules_the_options(line: str, expected: dict[str, Any]) -> None:
    """Names are compared as they read, not as they are spelt; no member is sent twice."""
    pairs = json.loads(sent(line)[0], object_pairs_hook=list)
    read = dict(pairs)
    assert len(read) == len(pairs)
    assert {name: read[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "options", "left"),
    [
        ('{"url":"u","run_at":"x"}', {"delay": 1}, "delay"),
        ('{"url":"u","delay":1}', {"run_at": "x"}, "run_at"),
        ('{"url":"u","body":{}}', {"body_base64": "x"}, "body_base64"),
        ('{"url":"u","body_base64":""}', {"body": "x"}, "body"),
    ],
)
def test_a_line_overrules_the_option_beside_which_it_cannot_stand(
    line: str, options: dict[str, Any], left: str
) -> None:
    assert left not in json.loads(sent(line, options)[0])


@pytest.mark.parametrize(
    "line",
    [
        '{"url":"http://a.test/"',
        '{"url":"http://a.test/"} {}',
        '{"url":"http://a.test/","url":"http://b.test/"}',
        '{"url":"http://a.test/","\\u0075rl":"http://b.test/"}',
        '{"url":"http://a.test/","headers":{"a":"1","a":"2"}}',
        '{"url":"http://a.test/","timeout":NaN}',
        '{"url":"http://a.test/","body":[NaN]}',
        '{"url":"http://a.test/","body":' + "[" * 40 + "]" * 40 + "}",
        '{"url":"http://a.test/\t"}',
        b'{"url":"http://a.test/","body":"\xff"}',
        b'{"url":"http://a.test/","body":["\xed\xa0\xbd"]}',
    ],
)
def test_what_cannot_be_read_is_sent_unchanged_and_refused_there(line: str | bytes) -> None:
    """No line that the API accepts loses its options that way."""
    unchanged, has_our_id = sent(line)
    assert unchanged == (line.encode() if isinstance(line, str) else line)
    assert not has_our_id
    with pytest.raises(TaskInvalid):
        draft(unchanged)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, list | dict)),
    st.booleans(),
    st.booleans(),
)
def test_any_body_keeps_its_bytes(value: Any, is_ascii: bool, is_spaced: bool) -> None:
    spelt = json.dumps(value, ensure_ascii=is_ascii, separators=(",", " : ") if is_spaced else (" ,", ":"))
    line, _ = sent(f'{{"body":{spelt},"url":"http://a.test/"}}')
    assert draft(line).body == spelt
