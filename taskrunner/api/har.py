"""Attempts as an HTTP Archive 1.2, for tools that draw them.

http://www.softwareishard.com/blog/har-12-spec/
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from taskrunner.api.views.attempt import AttemptDetail
from taskrunner.version import __version__

Entry = dict[str, Any]
_NONE = -1
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def archive(attempts: Sequence[AttemptDetail]) -> Entry:
    """The archive of `attempts`. A running attempt has no entry yet."""
    entries = [_entry(attempt) for attempt in attempts if attempt.finished_at is not None]
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "taskrunner", "version": __version__},
            "entries": entries,
        }
    }


def _entry(attempt: AttemptDetail) -> Entry:
    timings = _timings(attempt)
    host, _, port = (attempt.address or "").rpartition(":")
    entry: Entry = {
        "startedDateTime": attempt.started_at,
        "time": round(sum(value for name, value in timings.items() if value > 0 and name != "ssl"), 3),
        "request": _request(attempt),
        "response": _response(attempt),
        "cache": {},
        "timings": timings,
        "comment": _comment(attempt),
    }
    if host:
        entry |= {"serverIPAddress": host.strip("[]"), "connection": port}
    return entry


def _comment(attempt: AttemptDetail) -> str:
    words = f"task {attempt.task_id}, attempt {attempt.number}: {attempt.outcome}"
    return f"{words}, {attempt.error}" if attempt.error else words


def _request(attempt: AttemptDetail) -> Entry:
    request = attempt.request
    query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    shown: Entry = {
        "method": request.method,
        "url": request.url,
        "httpVersion": _version(attempt),
        "cookies": [],
        "headers": request.headers,
        "queryString": [{"name": name, "value": value} for name, value in query],
        "headersSize": _NONE,
        "bodySize": request.body_size,
    }
    if request.body_size:
        kind = next((h.value for h in request.headers if h.name.lower() == "content-type"), "")
        shown["postData"] = {"mimeType": kind, "params": [], "text": "", "comment": "not shown"}
    return shown


def _response(attempt: AttemptDetail) -> Entry:
    """Status 0 without an answer, as browsers write it."""
    response = attempt.response
    status = 0 if response is None else response.status_code
    return {
        "status": status,
        "statusText": _REASONS.get(status, ""),
        "httpVersion": _version(attempt),
        "cookies": [],
        "headers": [] if response is None else response.headers,
        "content": {
            "size": 0 if response is None else response.size,
            "mimeType": "" if response is None else response.content_type or "",
        },
        "redirectURL": "",
        "headersSize": _NONE,
        "bodySize": _NONE,
    }


def _version(attempt: AttemptDetail) -> str:
    response = attempt.response
    return f"HTTP/{response.http_version}" if response is not None and response.http_version else ""


def _timings(attempt: AttemptDetail) -> Entry:
    """Milliseconds; `connect` includes `ssl`, and a phase that was not needed is -1."""
    took: dict[str, float] = {
        each.phase: round((each.end - each.start) * 1000, 3) for each in attempt.waterfall
    }
    ssl = took.get("tls", _NONE)
    connect = took.get("connect", _NONE)
    return {
        "blocked": took.get("redirects", _NONE),
        "dns": took.get("dns", _NONE),
        "connect": round(max(connect, 0) + max(ssl, 0), 3) if max(connect, ssl) > 0 else _NONE,
        "send": 0,
        "wait": took.get("wait", 0),
        "receive": took.get("receive", 0),
        "ssl": ssl,
    }
