"""The body of an answer while it is read: counted, hashed, limited, and its beginning kept."""

import hashlib
from enum import Enum, auto

from taskrunner.handlers.http.codings import CodingBroken, CodingTooLarge, ContentDecoder


class BodyError(Enum):
    """Why the rest of a body is not read."""

    TOO_LARGE = auto()
    UNWANTED = auto()


class KeptBytes:
    """The first `limit` bytes of a stream, with the size and the hash of all of it."""

    __slots__ = ("_hash", "_kept", "_limit", "size_bytes")

    def __init__(self, limit: int) -> None:
        self.size_bytes = 0
        self._limit = limit
        self._kept: bytes | bytearray = b""
        # Not needed while all bytes are kept: most streams that are read in two forms end before that.
        self._hash: hashlib._Hash | None = None

    def take(self, piece: bytes) -> None:
        self.size_bytes += len(piece)
        room = self._limit - len(self._kept)
        if len(piece) > room and self._hash is None:
            self._hash = hashlib.sha256(self._kept)
        if self._hash is not None:
            self._hash.update(piece)
        if room > 0:
            self._keep(piece if len(piece) <= room else piece[:room])

    @property
    def content(self) -> bytes:
        return bytes(self._kept)

    @property
    def truncated(self) -> bool:
        return self.size_bytes > len(self._kept)

    @property
    def sha256(self) -> str:
        return (self._hash or hashlib.sha256(self._kept)).hexdigest()

    def _keep(self, piece: bytes) -> None:
        """A stream in one piece is not copied, and one in a million pieces takes no more than its size."""
        if not self._kept:
            self._kept = piece
            return
        if isinstance(self._kept, bytes):
            self._kept = bytearray(self._kept)
        self._kept += piece


class ResponseBody:
    """Takes the bytes of one body as they arrive.

    `wire_bytes` counts those that arrived, in `chunks` pieces; they and the decoded ones may be at most
    `max_bytes` each. `bytes` are the decoded bytes, of which the first `store_bytes` are kept. With
    `undecodable` they are those that arrived: a coding that is wrong, cut or unknown says nothing against the
    answer, whose head and framing are sound (RFC 9112 section 8).
    """

    __slots__ = (
        "_decoder",
        "_max_bytes",
        "_raw",
        "bytes",
        "chunks",
        "error",
        "undecodable",
        "wire_bytes",
    )

    def __init__(
        self, *, max_bytes: int, store_bytes: int, decoder: ContentDecoder | None, undecodable: bool = False
    ) -> None:
        self.error: BodyError | None = None
        self.wire_bytes = 0
        self.chunks = 0
        self.undecodable = undecodable
        self.bytes = KeptBytes(store_bytes)
        self._max_bytes = max_bytes
        self._decoder = decoder
        self._raw = KeptBytes(store_bytes) if decoder is not None else self.bytes

    def feed(self, chunk: bytes) -> bool:
        """Take a piece that arrived; False when the rest is not wanted, and `error` says why."""
        self.wire_bytes += len(chunk)
        self.chunks += 1
        if self.wire_bytes > self._max_bytes:
            self.error = BodyError.TOO_LARGE
            return False
        self._raw.take(chunk)
        if self._decoder is not None:
            self._decode(self._decoder, chunk)
        return self.error is None

    def finish(self) -> bool:
        """The body is complete. False if its coding is not: the end is missing."""
        if self.error is not None or self._decoder is None or self._decoder.ended:
            return True
        self._give_up_decoding()
        return False

    def _decode(self, decoder: ContentDecoder, chunk: bytes) -> None:
        try:
            for piece in decoder.decode(chunk):
                if self.bytes.size_bytes + len(piece) > self._max_bytes:
                    raise CodingTooLarge
                self.bytes.take(piece)
        except CodingTooLarge:
            self.error = BodyError.TOO_LARGE
        except CodingBroken:
            self._give_up_decoding()

    def _give_up_decoding(self) -> None:
        self.undecodable = True
        self._decoder = None
        self.bytes = self._raw


class DiscardedBody(ResponseBody):
    """The body of a redirect that is followed: not kept, and read only if it arrived in one piece.

    The connection can then serve the next exchange. For any other body, closing the connection is cheaper and
    safer than reading on.
    """

    __slots__ = ("_announced",)

    def __init__(self, announced_bytes: str | None) -> None:
        super().__init__(max_bytes=0, store_bytes=0, decoder=None)
        self._announced = announced_bytes

    def feed(self, chunk: bytes) -> bool:
        self.wire_bytes += len(chunk)
        if self._announced == str(len(chunk)):
            return True
        self.error = BodyError.UNWANTED
        return False
