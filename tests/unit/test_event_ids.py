"""The ids of events: sealed places."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.api.event_ids import EVENT_ID_LENGTH, read_event_id, seal, unseal
from taskrunner.domain.tasks.change import ChangeId

SECRET, OTHER = b"a" * 32, b"b" * 32
PLACES = st.builds(ChangeId, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1))


@given(PLACES)
def test_who_has_the_secret_finds_the_place(place: ChangeId) -> None:
    """And nobody else; no two ids of a place are alike."""
    event_id = seal(place, SECRET)
    assert read_event_id(event_id) == event_id
    assert len(event_id) == EVENT_ID_LENGTH
    assert unseal(event_id, SECRET) == place
    assert unseal(event_id, OTHER) is None
    assert seal(place, SECRET) != event_id


@given(PLACES, st.integers(0, EVENT_ID_LENGTH - 1), st.characters(codec="ascii"))
def test_a_changed_id_is_no_place(place: ChangeId, at: int, character: str) -> None:
    """It is refused, or of another log; an id is a header and an SSE field, so it has no blank or break."""
    event_id = seal(place, SECRET)
    assert event_id.isascii()
    assert event_id.isprintable()
    assert " " not in event_id
    changed = event_id[:at] + character + event_id[at + 1 :]
    if changed == event_id:
        return
    try:
        read_event_id(changed)
    except ValueError:
        return
    assert unseal(changed, SECRET) is None


@given(st.text(max_size=60))
def test_what_never_was_an_id_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be the id of an event"):
        read_event_id(text)
