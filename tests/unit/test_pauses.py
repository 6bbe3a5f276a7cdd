"""Pauses: what a scope holds back."""

import pytest

from taskrunner.domain.errors import SelectionInvalid
from taskrunner.domain.pauses import Pauses, read_scopes
from taskrunner.domain.task import Lane


def test_a_lane_is_paused_by_name_and_all_by_all() -> None:
    assert Pauses(["lane:low"]).lanes == {Lane.LOW}
    assert Pauses(["lane:low", "all"]).lanes == set(Lane)
    assert Pauses(["lane:fast", "colour:red"]).lanes == set()
    assert not Pauses(["lane:low", "all"]).any_label


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ("label:team", True),
        ("label:team=red", True),
        ("label:team=", False),
        ("label:team=blue", False),
        ("label:red", False),
        ("lane:high", False),
    ],
)
def test_a_label_is_paused_with_its_value_or_any(scope: str, held: bool) -> None:
    assert Pauses([scope]).hold({"team": "red", "other": "x"}) is held
    assert not Pauses([scope]).hold({})


def test_scopes_are_read() -> None:
    assert read_scopes(lanes=["high"], labels=["a=b", "c"], everything=True) == [
        "all",
        "lane:high",
        "label:a=b",
        "label:c",
    ]
    with pytest.raises(SelectionInvalid) as caught:
        read_scopes(lanes=["fast"], labels=["=b"], everything=False)
    assert [error.field for error in caught.value.errors] == ["lane", "label"]
