"""Pauses: what a scope holds back."""

import pytest

from taskrunner.domain.errors import FilterInvalid
from taskrunner.domain.pauses import Pauses, read_scopes


def test_a_queue_is_paused_by_name_and_all_by_all() -> None:
    low = Pauses(["queue:low", "colour:red"])
    assert [low.cover_queue(each) for each in ("low", "high", "red")] == [True, False, False]
    everything = Pauses(["queue:low", "all"])
    assert everything.cover_queue("reports")
    assert not everything.any_label


@pytest.mark.parametrize(
    ("scope", "held"),
    [
        ("label:team", True),
        ("label:team=red", True),
        ("label:team=", False),
        ("label:team=blue", False),
        ("label:red", False),
        ("queue:high", False),
    ],
)
def test_a_label_is_paused_with_its_value_or_any(scope: str, held: bool) -> None:
    assert Pauses([scope]).cover_labels({"team": "red", "other": "x"}) is held
    assert not Pauses([scope]).cover_labels({})


def test_scopes_are_read() -> None:
    assert read_scopes(queues=["high"], labels=["a=b", "c"], everything=True) == [
        "all",
        "queue:high",
        "label:a=b",
        "label:c",
    ]
    with pytest.raises(FilterInvalid) as caught:
        read_scopes(queues=["no name"], labels=["=b"], everything=False)
    assert [error.field for error in caught.value.errors] == ["queue", "label"]
