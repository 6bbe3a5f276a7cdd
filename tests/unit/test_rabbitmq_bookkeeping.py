"""The pure parts of the RabbitMQ adapter: which tags are open, confirmed, or stalled."""

from hypothesis import given
from hypothesis import strategies as st

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.brokers.rabbitmq.confirms import Confirms, Group
from taskrunner.brokers.rabbitmq.unacked import Unacked
from taskrunner.brokers.rabbitmq.watchdog import Sighting, Stalls
from taskrunner.domain.task import Priority

CONFIRMED, RETURNED, UNKNOWN = PublishAnswer.CONFIRMED, PublishAnswer.RETURNED, PublishAnswer.UNKNOWN


# Unacked


@given(st.data())
def test_ack_plans_settle_exactly_what_was_asked(data: st.DataObject) -> None:
    """A model of the broker, which closes the channel on a tag that is not open, agrees with every plan."""
    count = data.draw(st.integers(1, 40))
    order = data.draw(st.permutations(range(1, count + 1)))
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=6)))
    unacked, open_tags = Unacked(), set(range(1, count + 1))
    for tag in range(1, count + 1):
        unacked.note(tag)
    for start, stop in zip([0, *cuts], [*cuts, count], strict=True):
        part = order[start:stop]
        plan = unacked.ack([*part, *part])
        settled: set[int] = set()
        if plan.up_to:
            assert plan.up_to in open_tags
            settled = {tag for tag in open_tags if tag <= plan.up_to}
        for tag in plan.singles:
            assert tag in open_tags - settled
            settled.add(tag)
        assert settled == set(part)
        open_tags -= settled
    assert not open_tags
    assert len(unacked) == 0


def test_ack_in_order_is_one_frame() -> None:
    """The bottom run goes out as one ack, the rest one by one."""
    unacked = Unacked()
    for tag in range(1, 8):
        unacked.note(tag)
    assert unacked.take([2]) == [2]
    plan = unacked.ack([6, 3, 1])
    assert (plan.up_to, list(plan.singles)) == (3, [6])


# Confirms


def group(*ids: str) -> Group:
    return Group([Publication(queue=Priority.LOW, body=b"12", task_id=each) for each in ids], lambda: None)


def test_multiple_confirm_spans_groups() -> None:
    """One confirm can complete several groups and part of the next."""
    confirms, first, second = Confirms(), group("a", "b"), group("c", "d")
    confirms.add(first)
    confirms.add(second)
    confirms.settle(2, False, CONFIRMED)
    confirms.settle(3, True, CONFIRMED)
    assert first.answers == [CONFIRMED, CONFIRMED]
    assert second.answers == [CONFIRMED, None]
    assert (len(confirms), confirms.pending_bytes) == (1, 4)
    confirms.abandon()
    assert second.answers == [CONFIRMED, UNKNOWN]
    assert (len(confirms), confirms.pending_bytes) == (0, 0)


def test_return_marks_its_confirm() -> None:
    """A returned message is RETURNED once its confirm comes; its neighbours are confirmed."""
    confirms, sent = Confirms(), group("a", "b", "a")
    confirms.add(sent)
    confirms.mark_returned("b")
    confirms.settle(3, True, CONFIRMED)
    assert sent.answers == [CONFIRMED, RETURNED, CONFIRMED]


def test_confirm_of_an_unknown_tag_is_passed_over() -> None:
    """A confirm beyond what was sent settles what was sent, and ends."""
    confirms, sent = Confirms(), group("a")
    confirms.add(sent)
    confirms.settle(99, False, CONFIRMED)
    assert sent.answers == [None]
    confirms.settle(2**63, True, CONFIRMED)
    assert sent.answers == [CONFIRMED]
    later = group("b")
    confirms.add(later)
    confirms.settle(2, True, CONFIRMED)
    assert later.answers == [CONFIRMED]


# Stalls


def test_queue_that_gets_nothing_is_stalled_after_the_time() -> None:
    """Ready messages, credit and silence without a break make a stall."""
    stalls, seen = Stalls(30), {Priority.HIGH: Sighting(last_delivery=0, has_credit=True)}
    assert stalls.look(100, seen, {Priority.HIGH: 5}) is None
    assert stalls.look(129, seen, {Priority.HIGH: 5}) is None
    assert stalls.look(130, seen, {Priority.HIGH: 5}) == (Priority.HIGH, 30)


def test_break_in_the_silence_is_no_stall() -> None:
    """An empty queue, a delivery or exhausted credit starts the time afresh."""
    idle = Sighting(last_delivery=0, has_credit=True)
    for sighting, depth in ((idle, 0), (Sighting(115, True), 5), (Sighting(0, False), 5)):
        stalls = Stalls(30)
        stalls.look(100, {Priority.HIGH: idle}, {Priority.HIGH: 5})
        stalls.look(120, {Priority.HIGH: sighting}, {Priority.HIGH: depth})
        assert (
            stalls.look(131, {Priority.HIGH: Sighting(sighting.last_delivery, True)}, {Priority.HIGH: 5})
            is None
        )
