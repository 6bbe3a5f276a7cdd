"""The rules for the fields of a task, one function per field. Each raises `ValueError` with the reason.

Sources: RFC 9110 section 5 (header names and values), section 9 (methods); RFC 3986 section 3 (URLs).
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from taskrunner.domain.masking import MASK, is_masked_url
from taskrunner.domain.messages import shown
from taskrunner.domain.queues.queue import check_declared
from taskrunner.domain.targets.url import Url, parse_url
from taskrunner.domain.tasks.task_limits import TaskLimits

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# RFC 9110 9.2.2: sending these twice has the same effect as once.
IDEMPOTENT_METHODS = METHODS - {"POST", "PATCH"}
ID_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
# The paths of these are those of the API's own verbs, so nobody could ask for such a task or dead letter.
RESERVED_IDS = frozenset({"batch"})
# The ids of reports begin so: they are recognised as such when nothing else is left of them.
REPORT_PREFIX = "report:"
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# RFC 9110 5.5 allows obs-text; we do not, since servers disagree on its meaning.
FIELD_VALUE = re.compile(r"(?:[\x21-\x7e](?:[\x20\x09\x21-\x7e]*[\x21-\x7e])?)?")
# The HTTP client sets these; a task that could set them could split requests.
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
        "http2-settings",
        "expect",
        "proxy-authenticate",
        "proxy-authorization",
    }
)
# Cloud metadata services require these, so that no redirected or misled client can call them.
_METADATA_HEADERS = frozenset(
    {
        "metadata",  # Azure
        "metadata-flavor",  # Google Cloud, IBM
        "metadata-token",  # Akamai
        "metadata-token-expiry-seconds",
        "x-aliyun-ecs-metadata-token",
        "x-aliyun-ecs-metadata-token-ttl-seconds",
        "x-aws-ec2-metadata-token",
        "x-aws-ec2-metadata-token-ttl-seconds",
        "x-google-metadata-request",
        "x-metadata-token",  # Huawei
        "x-metadata-token-ttl-seconds",
    }
)


def check_url(text: str, limits: TaskLimits) -> Url:
    """An absolute http or https URL by the grammar of `url`, unless the SSRF policy refuses the text alone.

    The task keeps its `text`: the canonical spelling, without a fragment.
    """
    if len(text) > limits.max_url_bytes or (not text.isascii() and len(text.encode()) > limits.max_url_bytes):
        raise ValueError(f"is {len(text.encode())} bytes long, at most {limits.max_url_bytes} are allowed")
    url = parse_url(text)
    if MASK in text and is_masked_url(url.text):
        raise ValueError(f"has a value that is masked ({MASK}); give the real one")
    if refusal := limits.ssrf_policy.refusal(url):
        raise ValueError(refusal)
    return url


def check_method(method: str) -> str:
    """One of `METHODS`, in any case; returned in upper case."""
    upper = method.upper()
    if upper not in METHODS:
        raise ValueError(f"must be one of {', '.join(sorted(METHODS))}, got {shown(method)}")
    return upper


def check_headers(headers: Mapping[str, str], limits: TaskLimits) -> None:
    """Names are tokens, values are visible ASCII, all within the limits, and the client sets none of them."""
    if len(headers) > limits.max_headers:
        raise ValueError(f"{len(headers)} headers, at most {limits.max_headers} are allowed")
    check_sound_headers(headers)
    total_bytes = 0
    for name, value in headers.items():
        if value == MASK:
            # An answer of ours was sent back, and the secret that it hides would be lost.
            raise ValueError(f"the value of {shown(name)} is masked ({MASK}); give the real one")
        size_bytes = len(name) + len(value) + 4
        if size_bytes > limits.max_header_bytes:
            raise ValueError(f"{shown(name)} is larger than {limits.max_header_bytes} bytes")
        total_bytes += size_bytes
    if total_bytes > limits.max_headers_bytes:
        raise ValueError(f"{total_bytes} bytes in all, at most {limits.max_headers_bytes} are allowed")


def check_sound_headers(headers: Mapping[str, str]) -> None:
    """As `check_headers`, without limits: we add headers to submitted tasks."""
    if twice := _repeated(headers):
        # RFC 9110 5.3 lets a list be sent in several lines, and says that one line with commas is the same.
        raise ValueError(f"{shown(twice)} is given more than once; give all its values in one, with commas")
    for name, value in headers.items():
        check_header(name, value)


def _repeated(names: Iterable[str]) -> str | None:
    """The first header name that is given twice, in any case; None if there is none."""
    seen: set[str] = set()
    for name in names:
        folded = name.lower()
        if folded in seen:
            return name
        seen.add(folded)
    return None


def check_header(name: str, value: str) -> None:
    """A single header, of any size. Messages never show the value: it may be a secret."""
    check_header_name(name)
    if name.lower() in _OWN_HEADERS:
        raise ValueError(f"{shown(name)} is set by taskrunner itself and cannot be given")
    if name.lower() in _METADATA_HEADERS:
        raise ValueError(f"{shown(name)} is a key to a metadata service and cannot be given")
    if not FIELD_VALUE.fullmatch(value):
        raise ValueError(f"the value of {shown(name)} must be visible ASCII, without line breaks")


def check_header_name(name: str) -> None:
    """A token (RFC 9110 5.6.2)."""
    if not TOKEN.fullmatch(name):
        raise ValueError(
            f"{shown(name)} is not a header name (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)"
        )


def check_labels(labels: Mapping[str, str], limits: TaskLimits) -> None:
    """Few and short: labels are for finding tasks, not for carrying data."""
    if len(labels) > limits.max_labels:
        raise ValueError(f"{len(labels)} labels, at most {limits.max_labels} are allowed")
    for name, value in labels.items():
        if not name or len(name.encode()) + len(value.encode()) > limits.max_label_bytes:
            raise ValueError(f"{shown(name)}: name and value must be 1 to {limits.max_label_bytes} bytes")


def base64_content(text: str) -> bytes:
    """The bytes of a text in Base64 (RFC 4648 section 4), with just its padding. Raises `ValueError`."""
    if len(text) % 4:
        raise ValueError("is not base64: its length, with = at the end, must be a multiple of four")
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as exc:
        raise ValueError(f"is not base64: {exc}") from exc


def check_size(content: bytes, limits: TaskLimits) -> None:
    """A body, or the data of an executor."""
    if len(content) > limits.max_body_bytes:
        raise ValueError(f"is {len(content)} bytes long, at most {limits.max_body_bytes} are allowed")


def check_queue(name: str, limits: TaskLimits) -> str:
    """The name of a queue that is declared, and that the broker has."""
    if name in limits.refused_queues:
        raise ValueError(f"is {shown(name)}, which is declared, but the broker refuses it: see /health")
    return check_declared(name, limits.queues)


def check_id(task_id: str) -> str:
    """Letters, digits and `._:-`, at most 128: ids are used in URLs, keys and log lines."""
    if not ID_PATTERN.fullmatch(task_id):
        raise ValueError(f"must be 1 to 128 letters, digits or ._:-, got {shown(task_id)}")
    if task_id in RESERVED_IDS:
        raise ValueError(f"{task_id} is a verb of the API, such as POST /tasks/batch; use another id")
    if task_id.startswith(REPORT_PREFIX):
        raise ValueError(f"must not begin with {REPORT_PREFIX}, as the ids of our reports do; use another id")
    return task_id
