"""Attempts as an HTTP Archive 1.2, for tools that draw them.

http://www.softwareishard.com/blog/har-12-spec/
"""

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from taskrunner.api.views.attempt import AttemptDetail, RequestView
from taskrunner.api.views.task import HopView
from taskrunner.api.views.view import View
from taskrunner.version import __version__

Entry = dict[str, Any]


class HttpArchive(View):
    """An HTTP Archive 1.2; `log` is as its specification says."""

    log: Mapping[str, Any]


_NONE = -1
_NO_RESPONSE: Entry = {
    "status": 0,
    "statusText": "",
    "httpVersion": "",
    "cookies": [],
    "headers": [],
    "content": {"size": 0, "mimeType": ""},
    "redirectURL": "",
    "headersSize": _NONE,
    "bodySize": _NONE,
}
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def archive(attempts: Sequence[AttemptDetail]) -> HttpArchive:
    """The archive of `attempts`, with an entry for each request. A running attempt has no entry yet."""
    entries = [
        entry
        for attempt in attempts
        if attempt.finished_at is not None and attempt.request is not None
        for entry in _entries(attempt, attempt.request)
    ]
    creator = {"name": "taskrunner", "version": __version__}
    return HttpArchive(log={"version": "1.2", "creator": creator, "entries": entries})


def _entries(attempt: AttemptDetail, first: RequestView) -> Iterator[Entry]:
    """One for each redirect that was followed, then one for the request that ended the attempt.

    Of the former, method, URL and status are known; headers and body are those of the first request.
    """
    entry, hops = _entry(attempt, first), attempt.hops
    for hop, following in pairwise(hops):
        response = {**_NO_RESPONSE, **_status(hop.status_code or 0), "redirectURL": following.url}
        request = entry["request"] if hop is hops[0] else _bare_request(hop)
        timings = {"blocked": _NONE, "dns": _NONE, "connect": _NONE, "send": 0, "wait": 0, "receive": 0}
        yield {
            "startedDateTime": attempt.started_at,
            "time": 0,
            "request": request,
            "response": response,
            "cache": {},
            "timings": timings,
            "comment": "redirect; its time is part of the last request of the attempt",
        }
    yield entry | {"request": _bare_request(hops[-1])} if hops else entry


def _entry(attempt: AttemptDetail, first: RequestView) -> Entry:
    timings = _timings(attempt)
    host, _, port = (attempt.address or "").rpartition(":")
    entry: Entry = {
        "startedDateTime": attempt.started_at,
        "time": round(sum(value for name, value in timings.items() if value > 0 and name != "ssl"), 3),
        "request": _request(attempt, first),
        "response": _response(attempt),
        "cache": {},
        "timings": timings,
        "comment": _comment(attempt, first),
    }
    if host:
        entry |= {"serverIPAddress": host.strip("[]"), "connection": port}
    return entry


def _comment(attempt: AttemptDetail, request: RequestView) -> str:
    words = f"task {attempt.task_id}, attempt {attempt.number}: {attempt.outcome}"
    if request.auth is not None:
        words = f"{words}, sent with the credential {request.auth}"
    return f"{words}, {attempt.error}" if attempt.error else words


def _request(attempt: AttemptDetail, request: RequestView) -> Entry:
    shown = _bare_request(request) | {
        "httpVersion": _version(attempt),
        "headers": request.headers,
        "bodySize": request.body_size,
    }
    if request.body_size:
        kind = next((h.value for h in request.headers if h.name.lower() == "content-type"), "")
        shown["postData"] = {"mimeType": kind, "params": [], "text": "", "comment": "not shown"}
    return shown


def _bare_request(request: RequestView | HopView) -> Entry:
    """Method and URL, without headers and body."""
    query = parse_qsl(urlsplit(request.url).query, keep_blank_values=True)
    return {
        "method": request.method,
        "url": request.url,
        "httpVersion": "",
        "cookies": [],
        "headers": [],
        "queryString": [{"name": name, "value": value} for name, value in query],
        "headersSize": _NONE,
        "bodySize": 0,
    }


def _response(attempt: AttemptDetail) -> Entry:
    """Status 0 without an answer, as browsers write it."""
    response = attempt.response
    if response is None:
        return {**_NO_RESPONSE, "httpVersion": _version(attempt)}
    return {
        **_NO_RESPONSE,
        **_status(response.status_code or 0),
        "httpVersion": _version(attempt),
        "headers": response.headers,
        "content": {"size": response.size, "mimeType": response.content_type or ""},
    }


def _status(status: int) -> Entry:
    return {"status": status, "statusText": _REASONS.get(status, "")}


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
