"""Decodes the bodies of requests, within a limit. aiohttp takes a gzip body that was cut for a whole one."""

import zlib

# Accepted values of Content-Encoding (RFC 9110 8.4.1).
CODINGS = ("gzip", "deflate", "identity")


class DecodedTooLarge(ValueError):
    """The body is larger than the limit, of which no more is decoded."""


def decode_body(raw: bytes, coding: str, limit: int) -> bytes:
    """The content of `raw`. Raises `ValueError` with the reason, and `DecodedTooLarge`."""
    if coding == "identity":
        return raw
    content = bytearray()
    while True:
        stream = zlib.decompressobj(wbits=_wbits(raw, coding))
        try:
            content += stream.decompress(raw, limit + 1 - len(content))
        except zlib.error as exc:
            raise ValueError(f"is not {coding}: {exc}") from exc
        if len(content) > limit:
            raise DecodedTooLarge
        if not stream.eof:
            raise ValueError(f"is not complete: its {coding} data ends too early")
        # Members may follow one another (RFC 1952 2.2).
        raw = stream.unused_data
        if not raw:
            return bytes(content)


def _wbits(raw: bytes, coding: str) -> int:
    """RFC 9110 8.4.1.2: deflate is the zlib format, though some clients send it without its header."""
    if coding == "gzip":
        return 16 + zlib.MAX_WBITS
    return zlib.MAX_WBITS if raw[:1] and raw[0] & 0x0F == zlib.DEFLATED else -zlib.MAX_WBITS
