"""Reads the JSON document of a response, in every spelling whose meaning is certain.

- RFC 8259 8.1: UTF-8; a byte order mark is ignored. UTF-16 and UTF-32 are told by their mark, or by where the
  first zero bytes stand (RFC 4627 section 3, which allowed them).
- RFC 8259 section 11: a charset says nothing about JSON in UTF-8. It counts if the body is not UTF-8.
- RFC 8259 8.2: an escaped lone surrogate is within the grammar.
- A prefix that keeps the body from running as a script is skipped: those of Angular, Spring and Google.
"""

import codecs
import json
import re
from typing import Any

import orjson

from taskrunner.domain.tasks.outcome import Response

# Parsed JSON takes up to thirty times its size, and many answers are parsed at the same time.
MAX_JSON_BYTES = 256 * 1024
MISSING = object()

# The longer marks first: that of UTF-32-LE begins with that of UTF-16-LE.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# Which of the first four bytes are zero. The first character of a JSON text is ASCII, the second may be any.
_ZEROS = (
    ("utf-32-be", re.compile(rb"\0\0\0[^\0]")),
    ("utf-32-le", re.compile(rb"[^\0]\0\0\0")),
    ("utf-16-be", re.compile(rb"\0[^\0]")),
    ("utf-16-le", re.compile(rb"[^\0]\0")),
)
_CHARSET = re.compile(r""";\s*charset\s*=\s*["']?([\w.:-]+)""", re.IGNORECASE | re.ASCII)
# Only names that are in use: Python imports a module for each name that it is asked for, and remembers it.
_KNOWN_CHARSET = re.compile(
    r"utf-?8|utf-?(?:16|32)(?:-?[bl]e)?|(?:us-)?ascii|iso[-_]?8859[-_](?:[1-9]|1[013-6])|latin-?1"
    r"|(?:windows|cp)-?125[0-8]|windows-31j|koi8-[ru]|gbk|gb2312|gb18030|big5(?:-hkscs)?|euc-(?:jp|kr)"
    r"|shift[-_]?jis|sjis|macintosh|(?:ibm|cp)866",
    re.IGNORECASE,
)
_PREFIX = re.compile(
    r"\s*(?:\)\]\}'?,?|(?:while|for)\s*\((?:1|true|;;)\)\s*;|throw\s+1\s*;\s*(?:<[^<>]{0,40}>)?|\{\}\s*&&"
    r"|&&&START&&&)\s*"
)
_CLAIMS_JSON = re.compile(r"\s*[\w.+-]+/(?:[\w.-]+\+)?(?:x-)?json(?:[\w.-]*)\s*(?:;|$)", re.IGNORECASE)
_BLANK_BYTES = b"\xef\xbb\xbf\xfe\xff\0 \t\r\n"
_LOOKED_AT = 64
# Longer whole numbers are compared as floats: the time to read one grows with the square of its length.
_MAX_DIGITS = 300


class BodyUnreadable(Exception):
    """The body is or may be a JSON document that cannot be read. The message is a sentence for users."""


def read_document(response: Response) -> Any:
    """The parsed body; `MISSING` if it is empty, or clearly no JSON. Raises `BodyUnreadable`."""
    body, reason = response.body, _not_whole(response)
    if reason is None:
        try:
            # JSON under the name of a coding that was never applied is read too.
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            document, reason = _read_unusual(body, response.content_type or "")
        if reason is None:
            return document
    if response.undecodable:
        reason = "does not match its Content-Encoding"
    elif not _may_be_json(response):
        return MISSING
    raise BodyUnreadable(f"A rule of the task needs the body as JSON, but the body {reason}.")


def _not_whole(response: Response) -> str | None:
    if response.truncated:
        return "was not kept to its end (Fetch.store_body_bytes)"
    if len(response.body) > MAX_JSON_BYTES:
        return f"has {len(response.body)} bytes, of which rules read at most {MAX_JSON_BYTES}"
    return None


def _may_be_json(response: Response) -> bool:
    """By what its type says, or by how it begins. Without content there is no document (204, HEAD)."""
    if not response.body:
        return response.truncated
    if _CLAIMS_JSON.match(response.content_type or ""):
        return True
    start = response.body[:_LOOKED_AT].lstrip(_BLANK_BYTES)
    return start[:1] in (b"{", b"[") or _PREFIX.match(start.replace(b"\0", b"").decode("latin-1")) is not None


def _read_unusual(body: bytes, content_type: str) -> tuple[Any, str | None]:
    """The document, or why it cannot be read."""
    mark, encoding = next(((mark, name) for mark, name in _MARKS if body.startswith(mark)), (b"", ""))
    encoding = encoding or next((name for name, zeros in _ZEROS if zeros.match(body)), "utf-8")
    try:
        text = body[len(mark) :].decode(encoding, "surrogatepass" if encoding != "utf-8" else "strict")
    except UnicodeDecodeError:
        found = _CHARSET.search(content_type)
        if found is None:
            return None, f"is not {encoding.upper()}, and its Content-Type names no charset"
        charset = found[1].lower()
        try:
            text = body.decode(charset if _KNOWN_CHARSET.fullmatch(charset) else "")
        except LookupError:
            return None, "has a charset in its Content-Type that is not known"
        except UnicodeDecodeError:
            return None, "does not match the charset of its Content-Type"
    return _parse(text)


def _parse(text: str) -> tuple[Any, str | None]:
    prefix = _PREFIX.match(text)
    try:
        document = json.loads(
            text[prefix.end() :] if prefix else text, parse_int=_number, parse_constant=_refuse_constant
        )
    except (ValueError, RecursionError):
        return None, "is not valid JSON"
    return document, None


def _number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _refuse_constant(name: str) -> None:
    """Python's parser takes NaN and Infinity, which RFC 8259 section 6 excludes."""
    raise ValueError(name)
