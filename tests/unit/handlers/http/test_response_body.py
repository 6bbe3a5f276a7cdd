"""Bodies and their codings: counted, limited, and complete only when the coding has ended."""

import gzip
import hashlib
import operator
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.handlers.http.codings import PIECE_BYTES, CodingBroken, CodingUnknown, decoder_for
from taskrunner.handlers.http.response_body import BodyError, ResponseBody
from tests.tools.encoders import ENCODERS, brotli_in_wide_window, zstd_in_wide_window

BIG = 1 << 30


def body(coding: str = "", *, max_bytes: int = BIG, store_bytes: int = BIG) -> ResponseBody:
    return ResponseBody(max_bytes=max_bytes, store_bytes=store_bytes, decoder=decoder_for(coding, BIG))


def feed(made: ResponseBody, data: bytes, step: int) -> ResponseBody:
    for start in range(0, len(data), step):
        if not made.feed(data[start : start + step]):
            return made
    made.finish()
    return made


def raw_deflate(data: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(data) + stream.flush()


@given(
    coding=st.sampled_from(["", *ENCODERS]),
    # Repeated content compresses well, so that a decoder returns several pieces of 64 KiB.
    data=st.builds(operator.mul, st.binary(max_size=500), st.sampled_from([1, 1, 600])),
    step=st.integers(1, 9000),
)
def test_a_body_is_decoded(coding: str, data: bytes, step: int) -> None:
    """Content, size and hash are those of the decoded body, in whatever pieces it arrives."""
    encoded = ENCODERS[coding](data) if coding else data
    made = feed(body(coding), encoded, max(step, len(encoded) // 500))

    assert made.error is None
    assert (made.bytes.content, made.bytes.size_bytes) == (data, len(data))
    assert made.bytes.sha256 == hashlib.sha256(data).hexdigest()
    assert not made.bytes.truncated


@given(
    coding=st.sampled_from(sorted(ENCODERS)),
    data=st.binary(max_size=3000),
    cut=st.integers(1, 50),
    step=st.integers(1, 100),
)
def test_a_truncated_coding_is_noticed(coding: str, data: bytes, cut: int, step: int) -> None:
    """A cut anywhere is noticed, even if only part of the checksum is missing."""
    encoded = ENCODERS[coding](data)
    made = feed(body(coding), encoded[: max(0, len(encoded) - cut)], step)

    assert made.undecodable


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize("tail", [b"", b"\0" * 500, b"garbage", b"\x1f"])
def test_gzip_members_follow_one_another(step: int, tail: bytes) -> None:
    """Bytes after the last member are ignored, as gzip itself does."""
    data = gzip.compress(b"one") + gzip.compress(b"") + gzip.compress(b"two") + tail

    made = feed(body("gzip"), data, step)

    assert (made.undecodable, made.bytes.content) == (False, b"onetwo")


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_raw_deflate_is_accepted(step: int) -> None:
    """Many servers send it so."""
    assert feed(body("deflate"), raw_deflate(b"hello" * 50), step).bytes.content == b"hello" * 50


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_zstd_frames_follow_one_another(step: int) -> None:
    """Skippable frames (RFC 8878 section 3.1.2) may be among them; anything else is an error."""
    encode = ENCODERS["zstd"]
    data = encode(b"one") + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + encode(b"") + encode(b"two")

    made = feed(body("zstd"), data, step)

    assert (made.undecodable, made.bytes.content) == (False, b"onetwo")
    assert feed(body("zstd"), data + b"garbage", step).undecodable


@pytest.mark.parametrize("step", [1, 2, 1000])
def test_nothing_follows_a_brotli_stream(step: int) -> None:
    """RFC 7932 allows only one."""
    data = ENCODERS["br"](b"one")

    assert feed(body("br"), data + b"\0", step).undecodable


@pytest.mark.parametrize(
    ("coding", "data"),
    [("br", brotli_in_wide_window(b"hello" * 100)), ("zstd", zstd_in_wide_window(b"hello" * 100))],
)
def test_a_window_that_takes_too_much_memory_is_refused(coding: str, data: bytes) -> None:
    """The receiver has to hold the window: 8 MiB and no more (RFC 9659)."""
    assert feed(body(coding), data, 1000).undecodable


@pytest.mark.parametrize("coding", sorted(ENCODERS))
@pytest.mark.parametrize("data", [b"no such coding at all", b"\x1f\x8b\x08garbage in a gzip coat"])
def test_garbage_is_a_broken_coding(coding: str, data: bytes) -> None:
    """The body does not match its coding."""
    assert feed(body(coding), data, 5).undecodable


@pytest.mark.parametrize("coding", ["", "identity", " Identity ,", ",", "identity, identity"])
def test_no_coding_leaves_the_body_as_it_is(coding: str) -> None:
    """RFC 9110 8.4.1: identity means no coding; empty list elements are ignored (5.6.1.2)."""
    made = feed(body(coding), b"data", 2)
    assert (made.bytes.content, made.undecodable) == (b"data", False)


@pytest.mark.parametrize(
    "coding",
    [
        "rot13",
        "gzip\0",
        "gzip;q=1",
        "aws-chunked",
        "utf-8",
        "compress",
        "gzip, rot13",
        ", ".join(["gzip"] * 6),
    ],
)
def test_an_unknown_coding_is_told(coding: str) -> None:
    with pytest.raises(CodingUnknown):
        decoder_for(coding, BIG)


@given(
    codings=st.lists(st.sampled_from(sorted(ENCODERS)), min_size=1, max_size=5),
    data=st.binary(max_size=500),
    step=st.integers(1, 300),
    cut=st.integers(0, 3),
)
def test_a_list_of_codings_is_undone_backwards(codings: list[str], data: bytes, step: int, cut: int) -> None:
    """In whatever pieces it arrives; spelling, blanks and identity do not matter. A cut is noticed."""
    encoded = data
    for coding in codings:
        encoded = ENCODERS[coding](encoded)
    value = " , identity,".join(coding.upper() for coding in codings)

    made = feed(body(value), encoded[: len(encoded) - cut], step)

    assert made.undecodable is bool(cut)
    expected = encoded[: len(encoded) - cut] if cut else data
    assert made.bytes.content == expected
    assert (made.bytes.size_bytes, made.bytes.sha256) == (len(expected), hashlib.sha256(expected).hexdigest())


@given(data=st.binary(min_size=4, max_size=4000), step=st.integers(1, 500), store=st.integers(0, 5000))
def test_an_undecodable_body_is_kept_as_it_came(data: bytes, step: int, store: int) -> None:
    """Its beginning, size and hash, wherever decoding gave up."""
    raw = gzip.compress(data)[:-1] + b"?"
    made = feed(body("gzip", store_bytes=store), raw, step)

    assert made.undecodable
    assert made.bytes.content == raw[:store]
    assert (made.bytes.size_bytes, made.bytes.truncated) == (len(raw), store < len(raw))
    assert made.bytes.sha256 == hashlib.sha256(raw).hexdigest()


def test_a_bomb_between_two_codings_is_not_unfolded() -> None:
    """Empty gzip members decode to nothing, but a second coding can hide a million of them."""
    bomb = gzip.compress(gzip.compress(b"") * 100_000)
    made = ResponseBody(
        max_bytes=1_000_000, store_bytes=0, decoder=decoder_for("gzip, gzip", max_bytes=1_000_000)
    )

    assert feed(made, bomb, len(bomb)).error is BodyError.TOO_LARGE


def test_the_kept_part_is_the_beginning() -> None:
    """The rest is still counted and hashed."""
    made = feed(body(store_bytes=5), b"hello world", 3)

    assert (made.bytes.content, made.bytes.size_bytes, made.bytes.truncated) == (b"hello", 11, True)
    assert made.bytes.sha256 == hashlib.sha256(b"hello world").hexdigest()


@pytest.mark.parametrize(("max_bytes", "trouble"), [(10, BodyError.TOO_LARGE), (11, None)])
def test_the_limit_is_the_last_size_that_is_allowed(max_bytes: int, trouble: BodyError | None) -> None:
    """One byte more is too large."""
    assert feed(body(max_bytes=max_bytes), b"hello world", 4).error is trouble


@pytest.mark.parametrize("coding", sorted(ENCODERS))
def test_a_decompression_bomb_is_not_unfolded(coding: str) -> None:
    """Decoding stops when no more pieces are taken."""
    bomb = ENCODERS[coding](b"\0" * 4_000_000)
    tracemalloc.start()
    made = feed(body(coding, max_bytes=1_000_000, store_bytes=1000), bomb, len(bomb))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert made.error is BodyError.TOO_LARGE
    assert peak < 1_000_000


def test_many_tiny_pieces_take_no_more_than_their_size() -> None:
    """A server that sends two bytes at a time must not cost us an object for each."""
    tracemalloc.start()
    feed(body(store_bytes=20_000), b"ab" * 10_000, 2)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert peak < 100_000


@pytest.mark.parametrize("coding", sorted(ENCODERS))
def test_no_piece_exceeds_its_limit(coding: str) -> None:
    """This limit keeps a bomb small; brotli keeps to it roughly."""
    decoder = decoder_for(coding, BIG)
    assert decoder is not None
    pieces = list(decoder.decode(ENCODERS[coding](b"\0" * 1_000_000)))

    assert max(map(len, pieces)) <= (2 * PIECE_BYTES if coding == "br" else PIECE_BYTES)
    assert sum(map(len, pieces)) == 1_000_000


def test_a_broken_coding_is_its_own_error() -> None:
    """Callers see `CodingBroken`, not an error of zlib."""
    decoder = decoder_for("gzip", BIG)
    assert decoder is not None
    with pytest.raises(CodingBroken):
        list(decoder.decode(b"nonsense"))
