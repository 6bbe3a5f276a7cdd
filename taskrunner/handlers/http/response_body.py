"""The body of an answer while it is read: counted, hashed, limited, and its beginning kept."""

import hashlib
from enum import Enum, auto

from taskrunner.handlers.http.codings import CodingBroken, ContentDecoder


class BodyError(Enum):
    """Why the rest of a body is not read."""

    TOO_LARGE = auto()
    BROKEN_CODING = auto()
    UNWANTED = auto()


class ResponseBody:
    """Takes the bytes of one body as they arrive.

    `size_bytes` counts decoded bytes, `wire_bytes` those that arrived, in `chunks` pieces. Each may be at
    most `max_bytes`. The first `store_bytes` of the decoded bytes are kept.
    """

    __slots__ = (
        "_decoder",
        "_hash",
        "_kept",
        "_max_bytes",
        "_store_bytes",
        "chunks",
        "error",
        "size_bytes",
        "wire_bytes",
    )

    def __init__(self, *, max_bytes: int, store_bytes: int, decoder: ContentDecoder | None) -> None:
        self.size_bytes = 0
        self.error: BodyError | None = None
        self.wire_bytes = 0
        self.chunks = 0
        self._max_bytes = max_bytes
        self._store_bytes = store_bytes
        self._decoder = decoder
        self._hash = hashlib.sha256()
        self._kept: bytes | bytearray = b""

    def feed(self, chunk: bytes) -> bool:
        """Take a piece that arrived; False when the rest is not wanted, and `error` says why."""
        self.wire_bytes += len(chunk)
        self.chunks += 1
        if self.wire_bytes > self._max_bytes:
            self.error = BodyError.TOO_LARGE
        elif self._decoder is None:
            self._take(chunk)
        else:
            self._decode(self._decoder, chunk)
        return self.error is None

    def finish(self) -> None:
        """The body is complete: a content coding that has not ended was cut short."""
        if self.error is None and self._decoder is not None and not self._decoder.ended:
            self.error = BodyError.BROKEN_CODING

    @property
    def content(self) -> bytes:
        """The part that was kept."""
        return bytes(self._kept)

    @property
    def truncated(self) -> bool:
        """Whether only the beginning was kept."""
        return self.size_bytes > len(self._kept)

    @property
    def sha256(self) -> str:
        """Of the whole decoded body, in hex."""
        return self._hash.hexdigest()

    def _decode(self, decoder: ContentDecoder, chunk: bytes) -> None:
        try:
            for piece in decoder.decode(chunk):
                if not self._take(piece):
                    return
        except CodingBroken:
            self.error = BodyError.BROKEN_CODING

    def _take(self, piece: bytes) -> bool:
        self.size_bytes += len(piece)
        if self.size_bytes > self._max_bytes:
            self.error = BodyError.TOO_LARGE
            return False
        self._hash.update(piece)
        room = self._store_bytes - len(self._kept)
        if room > 0:
            self._keep(piece if len(piece) <= room else piece[:room])
        return True

    def _keep(self, piece: bytes) -> None:
        """A body in one piece is not copied, and one in a million pieces takes no more than its size."""
        if not self._kept:
            self._kept = piece
            return
        if isinstance(self._kept, bytes):
            self._kept = bytearray(self._kept)
        self._kept += piece


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
