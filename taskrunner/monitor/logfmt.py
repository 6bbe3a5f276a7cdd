"""logfmt: a line of `name=value` pairs, quoted as Go's parsers, Loki and Vector read them.

structlog's renderer quotes only for spaces, `=` and `"`; carriage returns and escape codes pass.
"""

import re
from collections.abc import Mapping
from typing import Any

import orjson

# https://github.com/go-logfmt/logfmt/blob/main/encode.go, and the other control characters.
_BARE = re.compile(r'[^\x00-\x20="\x7f-\x9f\u2028\u2029\ufffd]+')


def logfmt(line: Mapping[str, Any]) -> bytes:
    """The pairs in order. What is no text or number is JSON; None is `null`. Names are our own."""
    return " ".join(f"{name}={_value(value)}" for name, value in line.items()).encode()


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else _as_json(value)
    # A byte that is no UTF-8 is a surrogate, which JSON cannot have.
    text = text.encode(errors="backslashreplace").decode()
    return text if _BARE.fullmatch(text) else orjson.dumps(text).decode()


def _as_json(value: Any) -> str:
    encoded = orjson.dumps(value, default=str, option=orjson.OPT_UTC_Z)
    # A time, or an object as text.
    return str(orjson.loads(encoded)) if encoded.startswith(b'"') else encoded.decode()
