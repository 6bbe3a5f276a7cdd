"""Findings: proposals for misspelt names, and values shown short and without secrets."""

import pytest

from taskrunner.domain.messages import did_you_mean, shown


@pytest.mark.parametrize(
    ("name", "hint"),
    [("adr", ', did you mean "addr"?'), ("ADDR", ', did you mean "addr"?'), ("zebra", ""), ("", "")],
)
def test_the_closest_name_is_proposed(name: str, hint: str) -> None:
    """In any case, and none when none is close."""
    assert did_you_mean(name, ["addr", "prefetch"]) == hint


def test_a_value_is_shown_short_and_on_one_line() -> None:
    """60 characters are enough to know it by."""
    assert shown("a\nb") == r"'a\nb'"
    assert shown("x" * 100) == "'" + "x" * 58 + "…"
    assert shown(5) == "5"


def test_a_value_is_shown_without_user_information() -> None:
    assert shown("http://me:pw@h") == "'http://***@h'"
