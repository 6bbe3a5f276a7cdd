"""The coding zstd, as Python has it itself from 3.14 on."""

import sys

if sys.version_info >= (3, 14):
    from compression import zstd as zstd
else:
    from backports import zstd as zstd
