"""The rules for what a task may say, one function per field. Each raises `ValueError` with the reason.

Sources: RFC 9110 section 5 (header names and values), section 9 (methods); RFC 3986 section 3 (URLs).
"""

import re
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from taskrunner.domain.limits import Limits
from taskrunner.domain.validation import shown

_LAST_PORT = 65_535
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 5.5 allows obs-text; we do not, since no two servers agree on its meaning.
_FIELD_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20\x09\x21-\x7e]*[\x21-\x7e])?)?")
# The plain case, which is nearly every URL: one match in place of a parser on the bulk path.
_PLAIN_URL = re.compile(
    r"https?://(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[1-9][0-9]{0,4}))?"
    r"(?:[/?][\x21\x22\x24-\x7e]*)?"
)
_URL_CHARS = re.compile(r"[\x21-\x7e]+")
# What the HTTP client itself decides for a connection; a task that sets it could split requests.
_OWN_HEADERS = frozenset(
    {
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "upgrade",
        "expect",
    }
)


def check_url(url: str, limits: Limits) -> str:
    """An absolute http or https URL with a host, in ASCII, without user info; answered without its fragment.

    A fragment is for whoever asked and is not sent (RFC 9110 section 7.1).
    """
    plain = _PLAIN_URL.fullmatch(url)
    if plain and len(url) <= limits.max_url_bytes and int(plain["port"] or 1) <= _LAST_PORT:
        return url
    if len(url.encode()) > limits.max_url_bytes:
        raise ValueError(f"is {len(url.encode())} bytes long, at most {limits.max_url_bytes} are allowed")
    if not _URL_CHARS.fullmatch(url):
        raise ValueError("must be printable ASCII without spaces; percent-encode the rest")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as exc:
        raise ValueError(f"is no URL ({exc}): {_shown_url(url)}") from exc
    if parts.scheme not in {"http", "https"}:
        raise ValueError(f"must start with http:// or https://, got {_shown_url(url)}")
    if not parts.hostname or port == 0:
        raise ValueError(f"has no usable host or port: {_shown_url(url)}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must not hold a user name or password; send an Authorization header")
    return url.partition("#")[0]


def _shown_url(url: str) -> str:
    """A URL, broken or not, without the parts that may be secret: user information and query."""
    start, separator, _ = url.partition("?")
    scheme, slashes, rest = start.rpartition("//")
    place = rest.rpartition("@")[2]
    return shown(f"{scheme}{slashes}{place}{separator and '?…'}")


def check_method(method: str) -> str:
    """One of `METHODS`, in any case; answered in upper case."""
    upper = method.upper()
    if upper not in METHODS:
        raise ValueError(f"must be one of {', '.join(sorted(METHODS))}, got {shown(method)}")
    return upper


def check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """Names are tokens, values are visible ASCII, all within the limits, none that the client owns."""
    if len(headers) > limits.max_headers:
        raise ValueError(f"{len(headers)} headers, at most {limits.max_headers} are allowed")
    if twice := _repeated(headers):
        # RFC 9110 5.3 lets a list be sent in several lines, and says that one line with commas is the same.
        raise ValueError(f"{shown(twice)} is given more than once; give all its values in one, with commas")
    total_bytes = 0
    for name, value in headers.items():
        check_header(name, value)
        size_bytes = len(name) + len(value) + 4
        if size_bytes > limits.max_header_bytes:
            raise ValueError(f"{shown(name)} is larger than {limits.max_header_bytes} bytes")
        total_bytes += size_bytes
    if total_bytes > limits.max_headers_bytes:
        raise ValueError(f"{total_bytes} bytes in all, at most {limits.max_headers_bytes} are allowed")


def _repeated(names: Iterable[str]) -> str | None:
    """The first header name that stands there twice, in whatever case; None when there is none."""
    seen: set[str] = set()
    for name in names:
        folded = name.lower()
        if folded in seen:
            return name
        seen.add(folded)
    return None


def check_header(name: str, value: str) -> None:
    """A single header, without regard to its size. The value is never shown: it may be a secret."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{shown(name)} is no header name (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)")
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"{shown(name)} is set by taskrunner itself and cannot be given")
    if not _FIELD_VALUE.fullmatch(value):
        raise ValueError(f"the value of {shown(name)} must be visible ASCII, without line breaks")


def check_labels(labels: Mapping[str, str], limits: Limits) -> None:
    """Few and short: labels are for finding tasks, not for carrying data."""
    if len(labels) > limits.max_labels:
        raise ValueError(f"{len(labels)} labels, at most {limits.max_labels} are allowed")
    for name, value in labels.items():
        if not name or len(name.encode()) + len(value.encode()) > limits.max_label_bytes:
            raise ValueError(f"{shown(name)}: name and value must be 1 to {limits.max_label_bytes} bytes")


def check_id(task_id: str) -> str:
    """Letters, digits and `._:-`, at most 128: an id stands in URLs, keys and log lines."""
    if not ID_PATTERN.fullmatch(task_id):
        raise ValueError(f"must be 1 to 128 letters, digits or ._:-, got {shown(task_id)}")
    return task_id
