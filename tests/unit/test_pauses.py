"""Pauses: what a scope holds back."""

import pytest

from taskrunner.domain.errors import FilterInvalid
from taskrunner.domain.pauses import Pauses, read_scopes
from taskrunner.domain.task import Priority


def test_a_queue_is_paused_by_name_and_all_by_all() -> None:
    assert Pauses(["queue:low"]).queues == {Priority.LOW}
    assert Pauses(["queue:low", "all"]).queues == set(Priority)
    assert Pauses(["queue:fast", "colour:red"]).queues == set()
    assert not Pauses(["queue:low", "all"]).any_label


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
        read_scopes(queues=["fast"], labels=["=b"], everything=False)
    assert [error.field for error in caught.value.errors] == ["queue", "label"]
