"""Content codings as servers apply them."""

import gzip
import sys
import zlib
from collections.abc import Callable
from functools import partial

import brotli

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": partial(gzip.compress, mtime=0),  # the time is in the file, and the file in names of tests
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": zstd.compress,
}


def brotli_in_wide_window(data: bytes) -> bytes:
    """With the largest window of RFC 7932, 16 MiB."""
    encoded: bytes = brotli.compress(data, lgwin=24)
    return encoded


def zstd_in_wide_window(data: bytes) -> bytes:
    """With a window of 16 MiB, and no length at the start that would make it smaller."""
    encoder = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 24})
    return encoder.compress(data) + encoder.flush()
