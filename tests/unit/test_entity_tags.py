"""Conditions on entity tags: every list that RFC 9110 allows is read, no other is; the two comparisons."""

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.api.http.entity_tags import CONDITIONS, Condition, condition_of
from taskrunner.api.http.problems import RequestRefused

# RFC 9110 8.8.3: etagc = %x21 / %x23-7E / obs-text.
OPAQUE = st.text(st.sampled_from("!#,*;~abc \x80ÿ-".replace(" ", "")), max_size=6).map('"{}"'.format)
TAG = st.one_of(OPAQUE, OPAQUE.map("W/{}".format))
GAP = st.sampled_from(["", " ", "\t", "  "])
# RFC 9110 5.6.1.2: a recipient takes empty elements.
ELEMENT = st.one_of(TAG, st.just(""))
VIEW = {"a": 1}


def condition(name: str, *lines: str) -> Condition:
    headers = [(name, line) for line in lines]
    return condition_of(make_mocked_request("PUT", "/", headers=headers))


@given(
    st.sampled_from(CONDITIONS[:2]),
    st.lists(st.tuples(GAP, ELEMENT, GAP), min_size=1, max_size=6),
    st.integers(1, 5),
)
def test_every_list_is_read(name: str, elements: list[tuple[str, str, str]], cut: int) -> None:
    """With blanks, empty elements and commas inside of tags, on one line or several."""
    tags = [tag for _, tag, _ in elements if tag]
    parts = ["".join(each) for each in elements]
    lines = [",".join(part) for part in (parts[:cut], parts[cut:]) if part]
    if not tags:
        with pytest.raises(RequestRefused):
            condition(name, *lines)
        return
    read = condition(name, *lines)
    for tag in tags:
        strong = tag.removeprefix("W/")
        if name == "If-Match":
            assert read.is_wanted(strong) is (strong in tags)
        else:
            assert not read.is_new(strong)
    for other in ('"another"', None):
        assert read.is_wanted(other) is (name != "If-Match")
        assert read.is_new(other)


@pytest.mark.parametrize("name", CONDITIONS[:2])
@pytest.mark.parametrize(
    "text",
    [
        *("", ",", "x", '"', '"x', 'x"', '"a""b"', '"a" "b"', '"a";"b"', "W/", 'w/"a"', 'W/ "a"', "'a'"),
        *('"a b"', '"a\tb"', '"\x7f"', '*, "a"', '"a", *', "*,*", "**", '"a",x', 'x,"a"', '"a"W/"b"'),
    ],
)
def test_what_is_no_list_is_refused(name: str, text: str) -> None:
    """By the name of the header, with what was given."""
    with pytest.raises(RequestRefused, match=f"{name}: must be") as caught:
        condition(name, text)
    assert (caught.value.problem.status, caught.value.problem.code) == (400, "bad_header")


@pytest.mark.parametrize("text", ["*", " * ", "\t*"])
def test_any_state_is_one_that_there_is(text: str) -> None:
    """RFC 9110 13.1.1 and 13.1.2."""
    wanted, new = condition("If-Match", text), condition("If-None-Match", text)
    assert (wanted.is_wanted('"a"'), wanted.is_wanted(None)) == (True, False)
    assert (new.is_new('"a"'), new.is_new(None)) == (False, True)
    with pytest.raises(RequestRefused, match="If-Match"):
        wanted.check(None)
    with pytest.raises(RequestRefused, match="If-None-Match"):
        new.check(VIEW)
    wanted.check(VIEW)
    new.check(None)


@pytest.mark.parametrize("coding", ["", "-gzip", "-zstd"])
def test_a_change_takes_the_tag_of_every_coding(coding: str) -> None:
    """They are tags of one state; a coding that we never send makes another tag."""
    assert condition("If-Match", f'"abc{coding}"').is_wanted('"abc"')
    assert not condition("If-None-Match", f'"abc{coding}"').is_new('"abc"')
    assert not condition("If-Match", '"abc-br"').is_wanted('"abc"')
    assert not condition("If-Match", f'W/"abc{coding}"').is_wanted('"abc"')
    assert not condition("If-None-Match", f'W/"abc{coding}"').is_new('"abc"')
