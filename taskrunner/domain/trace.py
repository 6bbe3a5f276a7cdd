"""Trace context by W3C: how a target's spans find the trace that a task belongs to.

https://www.w3.org/TR/trace-context-1/#traceparent-header
"""

import hashlib
import re

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
# All zeros would mean none; the version keeps a trace from that, and the number of the attempt a span.
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
# Sampled: a target that follows its caller would otherwise record nothing of what we send.
_FLAGS = "01"


def read_traceparent(text: str) -> str | None:
    """The parent in a `traceparent`, in version 00; None for one that the standard says to pass over."""
    match = _TRACEPARENT.fullmatch(text.strip())
    if match is None or match[1] == "ff" or (match[1] == "00" and match[5]):
        return None
    if not int(match[2], 16) or not int(match[3], 16):
        return None
    return f"00-{match[2]}-{match[3]}-{match[4]}"


def traceparent(task_id: str, attempt: int, parent: str | None) -> str:
    """What attempt number `attempt` sends: in the trace of `parent`, or in one of the task's own.

    Each attempt is a span of its own. Both are made from the id, so that whoever asks gets the same. An id of
    ours is the trace itself, without its dashes, and its random end with the number is the span.
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
