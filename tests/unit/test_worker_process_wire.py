"""Frames between the consumer and its worker processes."""

import pytest

from taskrunner.consumer.processes.wire import Order, Unframer, frame


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_frames_may_come_in_any_pieces(size: int) -> None:
    data = b"".join(frame(Order.RESIZE, number) for number in range(20))
    unframer = Unframer()
    items = [
        item for start in range(0, len(data), size) for item in unframer.feed(data[start : start + size])
    ]
    assert items == [(Order.RESIZE, number) for number in range(20)]


def test_only_plain_values_are_framed() -> None:
    with pytest.raises(ValueError, match="unmarshallable"):
        frame(Order.KIT, object())
