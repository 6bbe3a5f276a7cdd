"""The pure parts of the RabbitMQ adapter: which tags are open, confirmed, or stalled."""

from hypothesis import given
from hypothesis import strategies as st

from taskrunner.brokers.base import Publication, PublishAnswer
from taskrunner.brokers.rabbitmq.pending_confirms import PendingConfirms, PublishBatch
from taskrunner.brokers.rabbitmq.unacked_tags import UnackedTags
from taskrunner.brokers.rabbitmq.watchdog import StallDetector, SubscriptionActivity

CONFIRMED, RETURNED, UNKNOWN = PublishAnswer.CONFIRMED, PublishAnswer.RETURNED, PublishAnswer.UNKNOWN


# Unacknowledged tags


@given(st.data())
def test_planned_acks_cover_exactly_the_given_tags(data: st.DataObject) -> None:
    """No plan names a tag that is not open, over which the broker would close the channel."""
    count = data.draw(st.integers(1, 40))
    order = data.draw(st.permutations(range(1, count + 1)))
    cuts = sorted(data.draw(st.lists(st.integers(0, count), max_size=6)))
    unacked, open_tags = UnackedTags(), set(range(1, count + 1))
    for tag in range(1, count + 1):
        unacked.add(tag)
    for start, stop in zip([0, *cuts], [*cuts, count], strict=True):
        part = order[start:stop]
        up_to, singles = unacked.plan_acks([*part, *part])
        acked: set[int] = set()
        if up_to:
            assert up_to in open_tags
            acked = {tag for tag in open_tags if tag <= up_to}
        for tag in singles:
            assert tag in open_tags - acked
            acked.add(tag)
        assert acked == set(part)
        open_tags -= acked
    assert not open_tags
    assert len(unacked) == 0


def test_ack_in_order_is_one_frame() -> None:
    """The bottom run goes out as one ack, the rest one by one."""
    unacked = UnackedTags()
    for tag in range(1, 8):
        unacked.add(tag)
    assert unacked.remove([2]) == [2]
    up_to, singles = unacked.plan_acks([6, 3, 1])
    assert (up_to, list(singles)) == (3, [6])


# Pending confirms


def batch(*ids: str) -> PublishBatch:
    return PublishBatch([Publication(queue="low", body=b"12", task_id=each) for each in ids], lambda: None)


def test_multiple_confirm_spans_batches() -> None:
    """One confirm can complete several batches and part of the next."""
    confirms, first, second = PendingConfirms(), batch("a", "b"), batch("c", "d")
    confirms.add(first)
    confirms.add(second)
    confirms.resolve(2, False, CONFIRMED)
    confirms.resolve(3, True, CONFIRMED)
    assert first.answers == [CONFIRMED, CONFIRMED]
    assert second.answers == [CONFIRMED, None]
    assert (len(confirms), confirms.size_bytes) == (1, 4)
    confirms.resolve_all_unknown()
    assert second.answers == [CONFIRMED, UNKNOWN]
    assert (len(confirms), confirms.size_bytes) == (0, 0)


def test_return_marks_its_confirm() -> None:
    """A returned message is RETURNED once its confirm comes; its neighbours are confirmed."""
    confirms, sent = PendingConfirms(), batch("a", "b", "a")
    confirms.add(sent)
    confirms.mark_returned("b")
    confirms.resolve(3, True, CONFIRMED)
    assert sent.answers == [CONFIRMED, RETURNED, CONFIRMED]


def test_confirm_of_an_unknown_tag_is_ignored() -> None:
    """A confirm of a tag beyond the sent ones resolves the sent ones, and ends."""
    confirms, sent = PendingConfirms(), batch("a")
    confirms.add(sent)
    confirms.resolve(99, False, CONFIRMED)
    assert sent.answers == [None]
    confirms.resolve(2**63, True, CONFIRMED)
    assert sent.answers == [CONFIRMED]
    later = batch("b")
    confirms.add(later)
    confirms.resolve(2, True, CONFIRMED)
    assert later.answers == [CONFIRMED]


# Stalls


def test_queue_that_gets_nothing_is_stalled_after_the_time() -> None:
    """Ready messages, credit and silence without a break make a stall."""
    detector = StallDetector(30)
    seen = {"high": SubscriptionActivity(last_delivery=0, has_credit=True)}
    assert detector.find_stalled(100, seen, {"high": 5}) is None
    assert detector.find_stalled(129, seen, {"high": 5}) is None
    assert detector.find_stalled(130, seen, {"high": 5}) == ("high", 30)


def test_break_in_the_silence_is_no_stall() -> None:
    """An empty queue, a delivery or exhausted credit starts the time afresh."""
    idle = SubscriptionActivity(last_delivery=0, has_credit=True)
    for activity, depth in (
        (idle, 0),
        (SubscriptionActivity(115, True), 5),
        (SubscriptionActivity(0, False), 5),
    ):
        detector = StallDetector(30)
        detector.find_stalled(100, {"high": idle}, {"high": 5})
        detector.find_stalled(120, {"high": activity}, {"high": depth})
        assert (
            detector.find_stalled(
                131, {"high": SubscriptionActivity(activity.last_delivery, True)}, {"high": 5}
            )
            is None
        )
