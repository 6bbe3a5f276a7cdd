"""URL templates: what data fills in, and that no data leads to another host."""

import json
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.domain.executors.url_template import check_template, fill
from taskrunner.domain.tasks.task_limits import TaskLimits

LIMITS = TaskLimits()
HOST = "https://api.test"


def filled(template: str, data: Any) -> str:
    return fill(f"{HOST}{template}", json.dumps(data), LIMITS).text.removeprefix(HOST)


@pytest.mark.parametrize(
    ("template", "data", "url"),
    [
        ("/orders/{id}", {"id": "a b"}, "/orders/a%20b"),
        ("/orders/{id}", {"id": 42}, "/orders/42"),
        ("/orders/{order.id}?all={all}", {"order": {"id": "7"}, "all": True}, "/orders/7?all=true"),
        ("/{a}{b}", {"a": "x", "b": "y"}, "/xy"),
        ("?q={q}", {"q": ""}, "/?q="),
        ("/x?q={q}", {"q": "a&b=c#d"}, "/x?q=a%26b%3Dc%23d"),
        ("/{id}", {"id": "a/../b"}, "/a%2F..%2Fb"),
        ("/{id}", {"id": "//evil.test\\@x"}, "/%2F%2Fevil.test%5C%40x"),
        ("/{id}", {"id": "\u00e9\n"}, "/%C3%A9%0A"),
        ("/v.{id}", {"id": "."}, "/v.."),
        ("/fixed", [], "/fixed"),
    ],
)
def test_values_are_one_segment_or_one_value(template: str, data: Any, url: str) -> None:
    """Whatever could end them is percent-encoded."""
    assert filled(template, data) == url


def test_numbers_stay_as_they_were_spelt() -> None:
    assert fill(f"{HOST}/{{n}}", '{"n": 1.50}', LIMITS).text == f"{HOST}/1.50"
    assert fill(f"{HOST}/{{n}}", '{"n": 123456789012345678901}', LIMITS).text.endswith(
        "/123456789012345678901"
    )


@pytest.mark.parametrize(
    ("template", "data", "message"),
    [
        ("/{id}", None, "needs id in data"),
        ("/{id}", {}, "needs id in data"),
        ("/{a.b}", {"a": 5}, "needs a.b in data"),
        ("/{id}", {"id": None}, "needs text, a number, true or false as id"),
        ("/{id}", {"id": ["x"]}, "needs text, a number, true or false as id"),
        ("/{id}/x", {"id": ""}, "would have '' as the segment {id}"),
        ("/{id}/x", {"id": ".."}, "would have '..' as the segment {id}"),
        ("/{a}{b}/x", {"a": ".", "b": "."}, "would have '..' as the segment {a}{b}"),
        ("/%2e{id}/x", {"id": "."}, "would have '%2e.' as the segment"),
        ("/{id}", {"id": "x" * 9000}, "is 9017 bytes long"),
    ],
)
def test_what_cannot_be_filled_is_told(template: str, data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        filled(template, data)
    assert str(caught.value).startswith(message)


def test_a_lone_surrogate_is_told() -> None:
    with pytest.raises(ValueError, match="lone surrogate"):
        fill(f"{HOST}/{{id}}", '{"id":"\\ud800"}', LIMITS)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("https://{host}/", "may have placeholders only in its path and its query"),
        ("https://a{id}.test/", "may have placeholders only in its path and its query"),
        ("https://a.test:{port}/", "may have placeholders only in its path and its query"),
        ("https://a.test{id}", "may have placeholders only in its path and its query"),
        ("{scheme}://a.test/", "may have placeholders only in its path and its query"),
        ("{url}", "may have placeholders only in its path and its query"),
        ("/a/{id}", "may have placeholders only in its path and its query"),
        ("https://a.test/#{id}", "may have no placeholder after #"),
        ("https://a.test/{}", "has the placeholder ''"),
        ("https://a.test/{a b}", "has the placeholder 'a b'"),
        ("https://a.test/{{a}}", "has a brace that is not a placeholder"),
        ("https://a.test/{a", "has a brace that is not a placeholder"),
        ("https://a.test/" + "{a}" * 51, "has 51 placeholders"),
        ("ftp://a.test/{id}", "must start with http:// or https://"),
        ("http://127.0.0.1/{id}", ""),
        ("http://user@a.test/{id}", "must not hold a user name"),
    ],
)
def test_what_is_no_template_is_told(template: str, message: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        check_template(template, LIMITS)
    assert str(caught.value).startswith(message)


TEMPLATES = ("/{a}", "/x/{a}/{b}?q={a}", "?{a}={b}", "/p;{a}/{b}.json?x=%7B{a}", "/%2e{a}/{b}")
VALUES = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"])),
    st.sampled_from(
        ["..", ".", "", "@evil.test", "//evil.test", "\\evil.test", "?", "#", "%2f%2f", "\r\nHost: x"]
    ),
    st.integers(),
    st.booleans(),
)


@given(template=st.sampled_from(TEMPLATES), a=VALUES, b=VALUES)
def test_whatever_the_data_the_host_stays(template: str, a: Any, b: Any) -> None:
    """By our own parser and by Python's; and each value can be read back from where it was put."""
    try:
        url = fill(f"{HOST}{template}", json.dumps({"a": a, "b": b}), LIMITS)
    except ValueError:
        return
    assert (url.scheme, url.host, url.port) == ("https", "api.test", 443)
    parts = urlsplit(url.text)
    assert (parts.scheme, parts.netloc, parts.fragment) == ("https", "api.test", "")
    assert url.text.isascii()
    assert not {"\\", "\r", "\n", " "} & {*url.text}
    assert url.text.count("/") == f"{HOST}/{template.lstrip('/')}".count("/")
    shown_a = str(a).lower() if isinstance(a, bool) else str(a)
    assert shown_a in unquote(url.text)
