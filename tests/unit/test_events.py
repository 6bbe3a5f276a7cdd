"""Events reach the listeners that asked for their kind."""

from taskrunner.domain.events import DeliveryDropped, Event, Events, TasksAccepted

ACCEPTED = TasksAccepted(count=1)
DROPPED = DeliveryDropped(task_id="t", attempt=1, reason="held")


def test_a_listener_hears_the_kinds_that_it_asked_for() -> None:
    """Also after an event that nobody had asked for."""
    events, some, everything = Events(), list[Event](), list[Event]()
    events.emit(DROPPED)
    events.subscribe(some.append, (TasksAccepted,))
    events.subscribe(everything.append)
    events.emit(ACCEPTED)
    events.emit(DROPPED)
    assert some == [ACCEPTED]
    assert everything == [ACCEPTED, DROPPED]


def test_listeners_hear_in_the_order_of_their_subscription() -> None:
    events, heard = Events(), list[str]()
    events.subscribe(lambda _: heard.append("first"))
    events.subscribe(lambda _: heard.append("second"), (TasksAccepted,))
    events.subscribe(lambda _: heard.append("third"))
    events.emit(ACCEPTED)
    assert heard == ["first", "second", "third"]
