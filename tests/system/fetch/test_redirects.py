"""Redirects: we follow them ourselves, by the rules of `redirects`."""

import ssl
from collections.abc import Callable

import pytest

from taskrunner.domain.tasks.outcome import Hop, OutcomeKind
from taskrunner.domain.tasks.task import Redirects
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer

SECRETS = {"Authorization": "Bearer s3cret", "Cookie": "a=b", "X-Own": "yes", "Idempotency-Key": "k"}


def redirecting(status: int, location: str, body: bytes = b"") -> Behaviour:
    """Answers every path but /end with a redirect, and keeps the connection open."""

    def behaviour(peer: Peer) -> None:
        while True:
            if peer.read().target.startswith("/end"):
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend")
                continue
            head = f"HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: {len(body)}\r\n\r\n"
            peer.send(head.encode("latin-1") + body)

    return behaviour


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_safe_methods_are_followed_on_the_same_connection(
    status: int, method: str, hostile: Hostile, fetch: Fetcher
) -> None:
    """A GET or HEAD stays what it is, keeps its headers within its origin, and reuses the connection."""
    url = hostile.url(redirecting(status, "/end?x#fragment"))

    outcome = fetch(url, method=method, headers=SECRETS)

    assert outcome.kind is OutcomeKind.OK
    assert outcome.response is not None
    assert (outcome.response.redirects, outcome.response.url) == (1, url + "end?x")
    first, second = hostile.ledger.requests
    assert (second.method, second.target) == (method, "/end?x")
    assert first.headers == second.headers
    assert hostile.ledger.connections == 1


@pytest.mark.parametrize(
    ("method", "status", "expected", "keeps_body"),
    [
        ("POST", 303, "GET", False),
        ("POST", 307, "POST", True),
        ("POST", 308, "POST", True),
        ("PUT", 302, "PUT", True),
        ("PUT", 303, "GET", False),
        ("DELETE", 308, "DELETE", True),
    ],
)
def test_other_methods_follow_within_their_origin(
    method: str, status: int, expected: str, keeps_body: bool, hostile: Hostile, fetch: Fetcher
) -> None:
    """Method and body change as the status says; a request that lost its body lost its Content-Type too."""
    url = hostile.url(redirecting(status, "/end"))

    outcome = fetch(url, method=method, body="data", headers={"Content-Type": "text/x", "X-Own": "yes"})

    assert outcome.kind is OutcomeKind.OK
    second = hostile.ledger.requests[1]
    assert (second.method, second.body) == (expected, b"data" if keeps_body else b"")
    assert second.header("Content-Type") == ("text/x" if keeps_body else None)
    assert second.header("X-Own") == "yes"


def test_the_tasks_headers_do_not_go_to_another_origin(hostile: Hostile, fetch: Fetcher) -> None:
    """Another port is another origin: it learns who we are, but not which task this is."""
    elsewhere = hostile.url(redirecting(302, "unused")) + "end"
    context = fetch.context(hostile.url(redirecting(302, elsewhere)), headers=SECRETS)

    outcome = fetch.handler.run(context)

    assert outcome.kind is OutcomeKind.OK
    second = hostile.ledger.requests[1]
    assert [second.header(name) for name in ("Authorization", "Cookie", "X-Own")] == [None] * 3
    names = ("Idempotency-Key", "Taskrunner-Task-Id", "Taskrunner-Attempt", "traceparent")
    assert [second.header(name) for name in names] == [None] * 4
    assert (second.header("User-Agent") or "").startswith("taskrunner/")


def test_dropped_headers_do_not_come_back(hostile: Hostile, fetch: Fetcher) -> None:
    """The origin in between could have steered the chain back to the first origin."""
    home = Hostile()
    with home:
        targets: list[str] = []

        def first(peer: Peer) -> None:
            while True:
                end = peer.read().target == "/end"
                where = b"" if end else b"Location: " + targets[0].encode() + b"\r\n"
                peer.send(b"HTTP/1.1 %d X\r\n%sContent-Length: 0\r\n\r\n" % (200 if end else 302, where))

        url = home.url(first)
        targets.append(hostile.url(redirecting(302, url + "end")))

        outcome = fetch(url, headers=SECRETS)

        assert outcome.kind is OutcomeKind.OK
        assert home.ledger.requests[-1].header("Authorization") is None


@pytest.mark.parametrize("status", [301, 302, 307, 308])
@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
def test_other_methods_do_not_leave_their_origin(
    method: str, status: int, hostile: Hostile, fetch: Fetcher
) -> None:
    """A body is meant for the receiver that the task names; the outcome says so, and is final."""
    elsewhere = hostile.url(redirecting(status, "unused")) + "end"

    outcome = fetch(hostile.url(redirecting(status, elsewhere)), method=method, body="data")

    assert outcome.kind is OutcomeKind.HTTP_ERROR
    assert "another origin" in (outcome.error or "")
    assert outcome.response is not None
    assert outcome.response.status == status
    assert len(hostile.ledger.requests) == 1


# By status and `redirects`: the method of the second request to the same origin, and whether it may go to
# another one.
FOLLOWED = {
    (301, "none"): (None, False),
    (303, "none"): (None, False),
    (308, "none"): (None, False),
    (301, "keep"): (None, False),
    (302, "keep"): (None, False),
    (303, "keep"): (None, False),
    (307, "keep"): ("POST", False),
    (308, "keep"): ("POST", False),
    (301, "follow"): (None, False),
    (302, "follow"): (None, False),
    (303, "follow"): ("GET", True),
    (307, "follow"): ("POST", False),
    (308, "follow"): ("POST", False),
    (301, "rewrite"): ("GET", True),
    (302, "rewrite"): ("GET", True),
    (303, "rewrite"): ("GET", True),
    (307, "rewrite"): ("POST", False),
}


@pytest.mark.parametrize("elsewhere", [False, True])
@pytest.mark.parametrize(("status", "redirects"), FOLLOWED)
def test_the_task_says_which_redirects_of_a_post_are_followed(
    status: int, redirects: str, elsewhere: bool, hostile: Hostile, fetch: Fetcher
) -> None:
    """RFC 9110 15.4: whether the second request is a POST again, a GET without the body, or not sent."""
    method, leaves = FOLLOWED[status, redirects]
    location = hostile.url(redirecting(302, "unused")) + "end" if elsewhere else "/end"
    url = hostile.url(redirecting(status, location, b"moved"))

    outcome = fetch(url, method="POST", body="data", headers=SECRETS, redirects=Redirects(redirects))

    assert outcome.response is not None
    if method is None or (elsewhere and not leaves):
        assert (outcome.kind, outcome.response.status) == (OutcomeKind.HTTP_ERROR, status)
        assert (outcome.response.body, outcome.hops) == (b"moved", ())
        assert len(hostile.ledger.requests) == 1
        return
    second = hostile.ledger.requests[1]
    end = location if elsewhere else url + "end"
    assert (outcome.kind, second.method) == (OutcomeKind.OK, method)
    assert outcome.hops == (
        Hop(method="POST", url=url, status=status),
        Hop(method=method, url=end, status=200),
    )
    assert second.body == (b"data" if method == "POST" else b"")
    # Nothing but the Content-Length that a POST needs describes a body that was not sent.
    assert second.header("Content-Length") == ("4" if method == "POST" else None)
    assert (second.header("Idempotency-Key") == "k") is (method == "POST")
    assert (second.header("Authorization") is None) is elsewhere


def test_a_login_page_is_told_from_the_answer(hostile: Hostile, fetch: Fetcher) -> None:
    """POST → 303 /end → 200: each request shows its method and status."""
    outcome = fetch(hostile.url(redirecting(303, "/end")), method="POST", body="x")

    assert [(hop.method, hop.status) for hop in outcome.hops] == [("POST", 303), ("GET", 200)]


def test_hops_are_kept_without_an_answer(hostile: Hostile, fetch: Fetcher) -> None:
    """A target behind a redirect that does not answer is named, with what led there."""
    with Hostile() as short_lived:
        gone = short_lived.url(behaviours.answer)
    url = hostile.url(redirecting(302, gone))

    outcome = fetch(url)

    assert (outcome.kind, outcome.response) == (OutcomeKind.CONNECT_ERROR, None)
    assert outcome.hops == (Hop(method="GET", url=url, status=302), Hop(method="GET", url=gone))


def test_without_redirects_a_redirect_is_the_answer(
    hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """`Fetch.max_redirects: 0`, as the configuration says."""
    outcome = make_fetcher(max_redirects=0)(hostile.url(redirecting(302, "/end", b"moved")))

    assert outcome.kind is OutcomeKind.HTTP_ERROR
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.body) == (302, b"moved")
    assert ("Location", "/end") in outcome.response.headers


def test_a_chain_of_redirects_has_an_end(hostile: Hostile, make_fetcher: Callable[..., Fetcher]) -> None:
    """With five redirects allowed, six requests are sent and no seventh; all six are told."""
    outcome = make_fetcher(max_redirects=5)(hostile.url(redirecting(302, "/again")))

    assert outcome.kind is OutcomeKind.TOO_MANY_REDIRECTS
    assert [hop.status for hop in outcome.hops] == [302] * 6
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.redirects) == (302, 5)
    assert len(hostile.ledger.requests) == 6


def test_the_timeout_covers_all_redirects(hostile: Hostile, make_fetcher: Callable[..., Fetcher]) -> None:
    """The timeout does not start again with every redirect."""

    def slow(peer: Peer) -> None:
        while True:
            peer.read()
            peer.rest(0.2)
            peer.send(b"HTTP/1.1 302 X\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n")

    outcome = make_fetcher(max_redirects=50)(hostile.url(slow), timeout=0.7)

    assert outcome.kind is OutcomeKind.TIMEOUT


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ("http://me:pw@127.0.0.1/", OutcomeKind.BLOCKED),
        ("http://me@127.0.0.1/", OutcomeKind.BLOCKED),
        ("ftp://127.0.0.1/", OutcomeKind.BLOCKED),
        ("file:///etc/passwd", OutcomeKind.BLOCKED),
        ("javascript:alert(1)", OutcomeKind.BLOCKED),
        ("", OutcomeKind.HTTP_ERROR),
        ("http://[::1", OutcomeKind.BLOCKED),
        ("http://127.0.0.1:99999/", OutcomeKind.HTTP_ERROR),
        ("/" + "x" * 9000, OutcomeKind.BLOCKED),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_bad_location_is_not_followed(
    location: str, kind: OutcomeKind, hostile: Hostile, fetch: Fetcher
) -> None:
    """A URL that intake would refuse is blocked; none at all is the target's error. Both are final."""
    outcome = fetch(hostile.url(redirecting(302, location)))

    assert outcome.kind is kind
    assert outcome.retryable is not True


def test_a_location_outside_ascii_is_percent_encoded(hostile: Hostile, fetch: Fetcher) -> None:
    """Browsers do so, and servers rely on it. What is already encoded stays as it is."""
    utf8 = "/end/ü %41".encode().decode("latin-1")

    outcome = fetch(hostile.url(redirecting(302, utf8)))

    assert outcome.kind is OutcomeKind.OK
    assert hostile.ledger.requests[1].target == "/end/%C3%BC%20%41"


def test_https_does_not_lead_to_http(hostile: Hostile, fetch: Fetcher, tls: ssl.SSLContext) -> None:
    """A request over TLS is never continued in the clear."""
    outcome = fetch(hostile.url(redirecting(302, hostile.url(behaviours.answer)), tls=tls))

    assert outcome.kind is OutcomeKind.BLOCKED
    assert len(hostile.ledger.requests) == 1


def test_http_may_lead_to_https(hostile: Hostile, fetch: Fetcher, tls: ssl.SSLContext) -> None:
    """This is the most common redirect."""
    outcome = fetch(hostile.url(redirecting(301, hostile.url(behaviours.answer, tls=tls))))

    assert outcome.kind is OutcomeKind.OK
    assert outcome.response is not None
    assert outcome.response.url.startswith("https://")


def test_a_redirect_without_location_is_an_error(hostile: Hostile, fetch: Fetcher) -> None:
    """The answer is kept as it is."""
    outcome = fetch(hostile.url(behaviours.sends(b"HTTP/1.1 302 X\r\nContent-Length: 2\r\n\r\nhi")))

    assert outcome.kind is OutcomeKind.HTTP_ERROR
    assert outcome.response is not None
    assert (outcome.response.status, outcome.response.body) == (302, b"hi")


@pytest.mark.parametrize("size_bytes", [5, 20_000_000])
def test_the_body_of_a_redirect_is_discarded(size_bytes: int, hostile: Hostile, fetch: Fetcher) -> None:
    """A small one is read, so that the connection can be kept; a larger one is cut off."""
    outcome = fetch(hostile.url(redirecting(302, "/end", b"x" * size_bytes)))

    assert outcome.kind is OutcomeKind.OK
    assert outcome.response is not None
    assert outcome.response.body == b"end"
