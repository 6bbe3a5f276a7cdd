"""Bodies of requests: gzip and deflate, whole or not at all, and never beyond the limit."""

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as some

from taskrunner.api.http.request_codings import DecodedTooLarge, decode_body

LIMIT = 1000


def raw_deflate(content: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return stream.compress(content) + stream.flush()


CODERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "gzip": ("gzip", gzip.compress),
    "zlib": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
}
each_coder = pytest.mark.parametrize("name", CODERS)


@each_coder
@given(content=some.binary(max_size=LIMIT))
def test_a_whole_body_is_decoded(name: str, content: bytes) -> None:
    coding, encode = CODERS[name]
    assert decode_body(encode(content), coding, LIMIT) == content


@each_coder
@given(content=some.binary(max_size=200), data=some.data())
def test_a_body_that_was_cut_anywhere_is_refused(name: str, content: bytes, data: some.DataObject) -> None:
    """Also within the checksum at its end."""
    coding, encode = CODERS[name]
    encoded = encode(content)
    length = data.draw(some.integers(0, len(encoded) - 1))
    with pytest.raises(ValueError, match="is not"):
        decode_body(encoded[:length], coding, LIMIT)


@each_coder
def test_no_more_than_the_limit_is_decoded(name: str) -> None:
    coding, encode = CODERS[name]
    assert len(decode_body(encode(bytes(LIMIT)), coding, LIMIT)) == LIMIT
    for size in (LIMIT + 1, 20_000_000):
        with pytest.raises(DecodedTooLarge):
            decode_body(encode(bytes(size)), coding, LIMIT)


def test_members_of_gzip_follow_one_another() -> None:
    """RFC 1952 2.2; together they are within the limit."""
    encoded = gzip.compress(b"a" * 600)
    assert decode_body(encoded + gzip.compress(b"b"), "gzip", LIMIT) == b"a" * 600 + b"b"
    with pytest.raises(DecodedTooLarge):
        decode_body(encoded + encoded, "gzip", LIMIT)
    with pytest.raises(ValueError, match="is not gzip"):
        decode_body(encoded + b"junk", "gzip", LIMIT)


def test_a_wrong_checksum_is_refused() -> None:
    with pytest.raises(ValueError, match="is not gzip"):
        decode_body(gzip.compress(b"a")[:-8] + bytes(8), "gzip", LIMIT)
