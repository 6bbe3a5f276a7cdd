"""Frames between the consumer and its worker processes."""

import pytest

from taskrunner.consumer.processes.wire import FrameReader, WireCommand, encode_frame


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
def test_frames_may_come_in_any_pieces(size: int) -> None:
    data = b"".join(encode_frame(WireCommand.RESIZE, number) for number in range(20))
    reader = FrameReader()
    frames = [
        frame for start in range(0, len(data), size) for frame in reader.feed(data[start : start + size])
    ]
    assert frames == [(WireCommand.RESIZE, number) for number in range(20)]


def test_only_plain_values_are_framed() -> None:
    with pytest.raises(ValueError, match="unmarshallable"):
        encode_frame(WireCommand.START, object())
