"""W3C Trace Context: the header by which a target's spans join the trace of a task.

https://www.w3.org/TR/trace-context-1/#traceparent-header
"""

import hashlib
import re

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# For JSON Schema: what `read_traceparent` reads.
TRACEPARENT_PATTERN = (
    r"^\s*(?!ff)(?!.{3}0{32})(?!.{36}0{16})"
    r"(?:00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}|(?!00)[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(?:-.*)?)"
    r"\s*$"
)
# All zeros are invalid; the version digit prevents that in a trace id, the attempt number in a span id.
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# "Sampled": otherwise a target that follows our flag would record nothing.
_FLAGS = "01"


def read_traceparent(text: str) -> str | None:
    """A `traceparent` in version 00; None for one that the standard says to ignore."""
    match = _TRACEPARENT.fullmatch(text.strip())
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    if not int(match[2], 16) or not int(match[3], 16):
        return None
    return f"00-{match[2]}-{match[3]}-{match[4]}"


def traceparent(task_id: str, attempt: int, parent: str | None) -> str:
    """The `traceparent` of attempt number `attempt`: in the trace of `parent`, or in a trace of the task.

    Each attempt is one span. Trace and span ids derive from the task id, so that every caller gets the same:
    the digits of a UUID are the trace id, and its random end with the attempt number is the span id.
    """
    if _UUID7.fullmatch(task_id):
        digits = task_id.replace("-", "")
        span = f"{digits[20:]}{attempt & 0xFFFF:04x}"
    else:
        digits = _hex(task_id, 32)
        span = _hex(f"{task_id}/{attempt}", 16)
    if parent is None:
        return f"00-{digits}-{span}-{_FLAGS}"
    _, trace, _, flags = parent.split("-")
    return f"00-{trace}-{span}-{flags}"


def _hex(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]
