"""Attempts as an HTTP Archive 1.2, for tools that draw them.

http://www.softwareishard.com/blog/har-12-spec/
"""

from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

from taskrunner.api.resources import Resource
from taskrunner.version import __version__

_NONE = -1
_REASONS = {status.value: status.phrase for status in HTTPStatus}


def archive(details: Sequence[Resource]) -> Resource:
    """The archive of attempts by `attempt_detail`. One that runs has no entry yet."""
    entries = [_entry(detail) for detail in details if detail["finished_at"] is not None]
    return {
        "log": {
            "version": "1.2",
            "creator": {"name": "taskrunner", "version": __version__},
            "entries": entries,
        }
    }


def _entry(detail: Resource) -> Resource:
    timings = _timings(detail)
    host, _, port = (detail["address"] or "").rpartition(":")
    entry: Resource = {
        "startedDateTime": detail["started_at"],
        "time": round(sum(value for name, value in timings.items() if value > 0 and name != "ssl"), 3),
        "request": _request(detail),
        "response": _response(detail),
        "cache": {},
        "timings": timings,
        "comment": _comment(detail),
    }
    if host:
        entry |= {"serverIPAddress": host.strip("[]"), "connection": port}
    return entry


def _comment(detail: Resource) -> str:
    words = f"task {detail['task_id']}, attempt {detail['number']}: {detail['outcome']}"
    return f"{words}, {detail['error']}" if detail["error"] else words


def _request(detail: Resource) -> Resource:
    request = detail["request"]
    query = parse_qsl(urlsplit(request["url"]).query, keep_blank_values=True)
    shown: Resource = {
        "method": request["method"],
        "url": request["url"],
        "httpVersion": _version(detail),
        "cookies": [],
        "headers": request["headers"],
        "queryString": [{"name": name, "value": value} for name, value in query],
        "headersSize": _NONE,
        "bodySize": request["body_size"],
    }
    if request["body_size"]:
        kind = next((h["value"] for h in request["headers"] if h["name"].lower() == "content-type"), "")
        shown["postData"] = {"mimeType": kind, "params": [], "text": "", "comment": "not shown"}
    return shown


def _response(detail: Resource) -> Resource:
    """Status 0 where none came, as browsers have it."""
    response = detail["response"]
    status = 0 if response is None else response["status_code"]
    return {
        "status": status,
        "statusText": _REASONS.get(status, ""),
        "httpVersion": _version(detail),
        "cookies": [],
        "headers": [] if response is None else response["headers"],
        "content": {
            "size": 0 if response is None else response["size"],
            "mimeType": "" if response is None else response["content_type"] or "",
        },
        "redirectURL": "",
        "headersSize": _NONE,
        "bodySize": _NONE,
    }


def _version(detail: Resource) -> str:
    response = detail["response"]
    return f"HTTP/{response['http_version']}" if response is not None and response["http_version"] else ""


def _timings(detail: Resource) -> Resource:
    """Milliseconds; `connect` includes `ssl`, and what was not needed is -1."""
    took = {each["phase"]: round((each["end"] - each["start"]) * 1000, 3) for each in detail["waterfall"]}
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
