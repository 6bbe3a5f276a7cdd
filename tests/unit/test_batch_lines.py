"""Lines of a batch: read within a bound, whatever the file holds."""

import io

import pytest

from taskrunner.domain.errors import TaskInvalid
from taskrunner.producer.batch_reader import LINE_LIMIT_BYTES, bounded_lines, check_length, meaningful


class Metered(io.BytesIO):
    """Notes the most that was asked for at once."""

    most = 0

    def readline(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0
        self.most = max(self.most, size)
        return super().readline(size)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
@pytest.mark.parametrize("excess", [0, 1, 2, 3, LINE_LIMIT_BYTES, 2 * LINE_LIMIT_BYTES + 4])
def test_a_line_that_is_too_long_is_one_line_and_told_as_such(excess: int, end: bytes) -> None:
    """Those after it keep their numbers, and no more than the limit of it is ever held."""
    source = Metered(b"a\n\n" + b"x" * (LINE_LIMIT_BYTES + excess) + end + (b"b" if end else b""))
    lines = dict(meaningful(bounded_lines(source)))
    assert lines.keys() == ({1, 3, 4} if end else {1, 3})
    assert (lines[1], lines.get(4, b"b")) == (b"a", b"b")
    assert source.most <= LINE_LIMIT_BYTES + 2
    if excess:
        with pytest.raises(TaskInvalid, match="longer than 1048576 bytes"):
            check_length(lines[3])
    else:
        check_length(lines[3])
