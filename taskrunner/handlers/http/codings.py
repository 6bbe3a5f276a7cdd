"""Content codings, decoded piece by piece, so that a decompression bomb is noticed before it has unfolded.

We decode instead of libcurl for two reasons: libcurl takes a truncated gzip body for a complete one, and we
count both the bytes on the wire and the decoded ones.
"""

import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

import brotli

from taskrunner.runtime.zstd_coding import zstd

ACCEPT_ENCODING = "Accept-Encoding: gzip, br, zstd"
# About the most that a decoder may return in one step; brotli rounds it up to twice as much.
PIECE_BYTES = 64 * 1024
# RFC 9659 limits the window of zstd to 8 MiB, since the receiver has to hold it. We apply the limit to
# brotli, whose windows go up to 16 MiB.
_WINDOW_LOG = 23

_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


# Of one body, as libcurl decodes them: each stage may unfold what the one before it has unfolded.
_MAX_CODINGS = 5


class CodingBroken(Exception):
    """The body does not match its Content-Encoding."""


class CodingUnknown(Exception):
    """The Content-Encoding is not one that we decode."""


class CodingTooLarge(Exception):
    """Between two codings, the body is larger than allowed."""


class ContentDecoder(Protocol):
    """Decodes a coding, or several."""

    @property
    def ended(self) -> bool:
        """Whether the end of the coded data was seen."""
        ...

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """The decoded bytes in pieces of at most `PIECE_BYTES`. Raises `CodingBroken`."""
        ...


class GzipDecoder:
    """RFC 1952: one member or several. Bytes after the last member are ignored."""

    def __init__(self) -> None:
        self.ended = False
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self._leftover = b""

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if self.ended and not self._next_member(chunk):
            return
        if self._leftover:
            chunk, self._leftover = self._leftover + chunk, b""
        while chunk:
            yield from _inflate(self._member, chunk)
            if not self._member.eof:
                return
            self.ended = True
            rest = self._member.unused_data
            chunk = rest if self._next_member(rest) else b""

    def _next_member(self, data: bytes) -> bool:
        """Prepare for another member if `self._leftover` and `data` begin one, and say whether they do."""
        start = self._leftover + data
        if len(start) < len(_GZIP_MAGIC):
            self._leftover = start
            return False
        if not start.startswith(_GZIP_MAGIC):
            # No later byte can begin a member: keep a start that never matches.
            self._leftover = b"\0\0"
            return False
        self._member = zlib.decompressobj(_GZIP_WINDOW)
        self.ended = False
        return True


class DeflateDecoder:
    """RFC 9110 8.4.1.2 means the zlib format, but many servers send raw deflate data: both are accepted."""

    def __init__(self) -> None:
        self.ended = False
        self._stream = zlib.decompressobj()
        self._head = b""
        self._known = False

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if not self._known:
            chunk = self._head + chunk
            if len(chunk) < 2:
                self._head = chunk
                return
            self._known = True
            if not _is_zlib(chunk):
                self._stream = zlib.decompressobj(-zlib.MAX_WBITS)
        if not self.ended:
            yield from _inflate(self._stream, chunk)
            self.ended = self._stream.eof


class BrotliDecoder:
    """RFC 7932: one stream, and nothing after it."""

    def __init__(self) -> None:
        self.ended = False
        self._stream = brotli.Decompressor()
        self._begun = False

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        if self.ended or (not self._begun and _has_wide_window(chunk)):
            raise CodingBroken
        self._begun = True
        try:
            while not self.ended:
                piece = self._stream.process(chunk, output_buffer_limit=PIECE_BYTES)
                if piece:
                    yield piece
                chunk = b""
                self.ended = self._stream.is_finished()
                # After a full piece, the stream may hold more output although its input is used up.
                if len(piece) < PIECE_BYTES and self._stream.can_accept_more_data():
                    return
        except brotli.error as exc:
            raise CodingBroken from exc


class ZstdDecoder:
    """RFC 8878: one frame or several, and nothing else."""

    def __init__(self) -> None:
        self.ended = False
        self._frame = _new_frame()

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        try:
            while chunk:
                if self._frame.eof:
                    self._frame = _new_frame()
                yield from _decompress(self._frame, chunk)
                self.ended = self._frame.eof
                chunk = self._frame.unused_data
        except zstd.ZstdError as exc:
            raise CodingBroken from exc


class StackedDecoder:
    """Undoes `outer`, which was applied last, then `inner`; between them there may be `max_bytes`."""

    def __init__(self, outer: ContentDecoder, inner: ContentDecoder, max_bytes: int) -> None:
        self._outer = outer
        self._inner = inner
        self._bytes_left = max_bytes

    @property
    def ended(self) -> bool:
        return self._outer.ended and self._inner.ended

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        for piece in self._outer.decode(chunk):
            self._bytes_left -= len(piece)
            if self._bytes_left < 0:
                raise CodingTooLarge
            yield from self._inner.decode(piece)


_DECODERS: dict[str, Callable[[], ContentDecoder]] = {
    "gzip": GzipDecoder,
    "x-gzip": GzipDecoder,
    "deflate": DeflateDecoder,
    "br": BrotliDecoder,
    "zstd": ZstdDecoder,
}


def decoder_for(content_encoding: str, max_bytes: int) -> ContentDecoder | None:
    """A decoder for the value of the header, lines of which are joined by commas; None for no coding.

    RFC 9110 8.4: a list, in the order in which the codings were applied. `identity` means none; it does not
    belong there, but is often sent. Raises `CodingUnknown`.
    """
    names = [name.strip().lower() for name in content_encoding.split(",")]
    names = [name for name in names if name not in {"", "identity"}]
    if len(names) > _MAX_CODINGS or not _DECODERS.keys() >= set(names):
        raise CodingUnknown
    decoder = None
    for name in names:
        outer = _DECODERS[name]()
        decoder = outer if decoder is None else StackedDecoder(outer, decoder, max_bytes)
    return decoder


def _inflate(stream: "zlib._Decompress", chunk: bytes) -> Iterator[bytes]:
    """The decoded `chunk`, up to the end of the stream."""
    while True:
        try:
            piece = stream.decompress(chunk, PIECE_BYTES)
        except zlib.error as exc:
            raise CodingBroken from exc
        if piece:
            yield piece
        chunk = stream.unconsumed_tail
        # After a full piece, the stream may hold more output although its input is used up.
        if stream.eof or (not chunk and len(piece) < PIECE_BYTES):
            return


def _is_zlib(start: bytes) -> bool:
    """RFC 1950 2.2: the method is 8, and the first two bytes are a multiple of 31."""
    return start[0] & 0x0F == 8 and int.from_bytes(start[:2], "big") % 31 == 0


def _has_wide_window(start: bytes) -> bool:
    """RFC 7932 9.1: these four bits mean 24, the logarithm of 16 MiB."""
    return start[0] & 0x0F == 0x0F


def _new_frame() -> zstd.ZstdDecompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: _WINDOW_LOG})


def _decompress(frame: zstd.ZstdDecompressor, chunk: bytes) -> Iterator[bytes]:
    """The decoded `chunk`, up to the end of the frame."""
    while True:
        if piece := frame.decompress(chunk, PIECE_BYTES):
            yield piece
        if frame.eof or frame.needs_input:
            return
        chunk = b""
