"""Redirect decisions that need no server."""

import pytest

from taskrunner.domain.targets.url import parse_url
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.http.diagnosis import FetchFailure
from taskrunner.handlers.http.http_request import HttpRequest
from taskrunner.handlers.http.redirects import next_request
from taskrunner.handlers.http.response_head import ResponseHead

IDENTITY = ["User-Agent: us"]


def request(url: str, method: str = "GET") -> HttpRequest:
    return HttpRequest(
        method=method,
        url=parse_url(url),
        header_lines=["User-Agent: mine", "Content-Type: text/x", "Content-MD5;", "X-Own: 1"],
        cross_origin_lines=IDENTITY,
        content=b"data" if method != "GET" else None,
    )


def follow(url: str, location: str, *, status: int = 302, method: str = "GET") -> HttpRequest | FetchFailure:
    head = ResponseHead(
        [b"HTTP/1.1 %d X\r\n" % status, f"Location: {location}\r\n".encode("latin-1"), b"\r\n"]
    )
    return next_request(request(url, method), head, TaskLimits())


@pytest.mark.parametrize(
    ("url", "location", "target"),
    [
        ("http://h/a/b?c", "d", "http://h/a/d"),
        ("http://h/a/b?c", "?d", "http://h/a/b?d"),
        ("http://h/a/b", "../d", "http://h/d"),
        ("http://h/a/b", "//g/d", "http://g/d"),
        ("https://h/", "//g/d", "https://g/d"),
        ("http://h/", "HTTP://G/D", "http://g/D"),
        ("http://h/", "http://h:80", "http://h/"),
        ("http://h/", "http://h/%2f#x", "http://h/%2f"),
    ],
)
def test_a_location_is_resolved_against_the_url(url: str, location: str, target: str) -> None:
    """RFC 9110 10.2.2 applies; the fragment is dropped."""
    following = follow(url, location)
    assert isinstance(following, HttpRequest)
    assert following.url.text == target


@pytest.mark.parametrize(
    ("url", "location", "same"),
    [
        ("http://h/", "http://h:80/x", True),
        ("http://H/", "http://h/x", True),
        ("https://h:443/", "https://h/x", True),
        ("http://h/", "http://h:8080/x", False),
        ("http://h/", "https://h/x", False),
        ("http://h/", "http://h./x", False),
        ("http://h/", "http://h.evil/x", False),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, location: str, same: bool) -> None:
    """The task's headers are sent only within the origin."""
    following = follow(url, location)
    assert isinstance(following, HttpRequest)
    assert following.header_lines == (request(url).header_lines if same else IDENTITY)


def test_a_request_that_becomes_a_get_loses_its_content_headers() -> None:
    """The other headers of the task stay."""
    following = follow("http://h/", "/x", status=303, method="POST")
    assert isinstance(following, HttpRequest)
    assert (following.method, following.content) == ("GET", None)
    assert following.header_lines == ["User-Agent: mine", "X-Own: 1"]


@pytest.mark.parametrize(
    "location",
    [
        "http://h@g/",
        "http://@g/",
        "ftp://h/",
        "https:@h",
        "data:,x",
        "http:\\\\g/",
        "http://h%2eevil/x",
        "http://h:81/",
    ],
)
def test_a_location_that_must_not_be_followed(location: str) -> None:
    """It never becomes a request, however parsers may read it."""
    following = follow("http://h/", location)
    assert isinstance(following, FetchFailure) or following.url.text.startswith("http://h/")


def test_https_to_http_is_blocked() -> None:
    """This holds for any host."""
    following = follow("https://h/", "http://h/")
    assert isinstance(following, FetchFailure)
    assert following.kind is OutcomeKind.BLOCKED


def test_a_malformed_location_is_the_targets_error() -> None:
    """It is not called blocked."""
    following = follow("http://h/", "http://h:99999/")
    assert isinstance(following, FetchFailure)
    assert following.kind is OutcomeKind.HTTP_ERROR
    assert "malformed Location" in following.error
