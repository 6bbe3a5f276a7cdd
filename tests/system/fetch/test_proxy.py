"""The egress proxy: all goes through it, what was out of reach still is, and its faults are its own."""

import base64
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import trustme

from taskrunner.domain.limits import Limits
from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.reach import Reach
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.line import Watch
from taskrunner.handlers.http.policy import FetchPolicy
from taskrunner.handlers.http.proxy import Proxy
from tests.system.fetch.conftest import Fetcher, server_context
from tests.tools import behaviours
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.staged_network import StagedNetwork

NAMES = {
    "target.example": [["93.184.216.34", "93.184.216.35"]],
    "six.example": [["2606:2800:220:1::1"]],
    "inside.example": [["10.1.2.3"]],
    "both.example": [["93.184.216.34", "10.1.2.3"]],
    "proxy.internal": [["10.0.0.9"]],
}
PROXY_PORT = 3128


class Scene:
    """A worker behind a proxy of the test, a target behind that, and what was seen on the way."""

    def __init__(self, hostile: Hostile, watch: Watch, ca_file: str) -> None:
        self.proxy = Hostile()
        self.target = hostile
        self.network: StagedNetwork
        self._watch = watch
        self._ca_file = ca_file
        self._handlers: list[HttpHandler] = []

    def close(self) -> None:
        for handler in self._handlers:
            handler.close()
        self.proxy.__exit__()

    def through(
        self,
        behaviour: Behaviour,
        *,
        resolves: bool = False,
        host: str = "proxy.internal",
        password: str | None = None,
    ) -> Fetcher:
        """A fetcher whose proxy behaves like this."""
        port = int(self.proxy.url(behaviour).rpartition(":")[2].strip("/"))
        self.network = StagedNetwork(NAMES, {PROXY_PORT: port})
        user = None if password is None else "us er"
        proxy = Proxy(host=host, port=PROXY_PORT, user=user, password=password, resolves=resolves)
        policy = FetchPolicy(proxy=proxy, ca_file=self._ca_file, limits=Limits(reach=Reach()))
        handler = HttpHandler(policy, self._watch, self.network)
        self._handlers.append(handler)
        return Fetcher(handler)

    def to_target(
        self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, resolves: bool = False
    ) -> Fetcher:
        """A fetcher whose proxy leads to a target that behaves like this."""
        port = int(self.target.url(behaviour, tls=tls).rpartition(":")[2].strip("/"))
        return self.through(behaviours.leads_to(port), resolves=resolves)

    @property
    def asked(self) -> list[str]:
        """The places that the proxy was asked for."""
        return [seen.target for seen in self.proxy.ledger.requests]


@pytest.fixture
def scene(hostile: Hostile, watch: Watch, ca_file: str) -> Iterator[Scene]:
    made = Scene(hostile, watch, ca_file)
    yield made
    made.close()


def test_http_goes_through_the_proxy_by_address(scene: Scene) -> None:
    """The name is judged here; only the proxy is dialled, and only the target sees the request."""
    fetch = scene.to_target(behaviours.answer)

    outcomes = [fetch("http://target.example/a", headers={"X-Mine": "yes"}) for _ in range(3)]

    assert [each.kind for each in outcomes] == [OutcomeKind.OK] * 3
    assert scene.asked == ["93.184.216.34:80"]
    assert scene.network.dials == [("10.0.0.9", PROXY_PORT)]
    assert [seen.header("host") for seen in scene.target.ledger.requests] == ["target.example"] * 3
    assert scene.proxy.ledger.requests[0].header("x-mine") is None
    assert scene.proxy.ledger.requests[0].header("taskrunner-task-id") is None
    assert {each.address for each in outcomes} == {"93.184.216.34:80"}
    assert outcomes[0].response is not None
    assert outcomes[0].response.headers == (("Content-Length", "5"),)


def test_the_proxy_hears_who_we_are(scene: Scene) -> None:
    """By the configured name, whatever the task calls itself, and not by that of a library."""
    fetch = scene.to_target(behaviours.answer)
    assert fetch("http://target.example/", headers={"User-Agent": "task's own"}).kind is OutcomeKind.OK
    assert scene.proxy.ledger.requests[0].header("user-agent") == FetchPolicy().user_agent
    assert scene.target.ledger.requests[0].header("user-agent") == "task's own"


def test_https_goes_through_the_proxy_to_the_named_host(scene: Scene, authority: trustme.CA) -> None:
    """The certificate is held against the name, not against the address that the proxy was asked for."""
    fetch = scene.to_target(behaviours.answer, tls=server_context(authority, "target.example"))

    right, wrong = fetch("https://target.example/"), fetch("https://six.example/")

    assert (right.kind, wrong.kind) == (OutcomeKind.OK, OutcomeKind.TLS_ERROR)
    assert "another host name" in (wrong.error or "")
    assert scene.asked == ["93.184.216.34:443", "[2606:2800:220:1::1]:443"]


def test_an_ipv6_target_is_asked_for_in_brackets(scene: Scene) -> None:
    """As RFC 9110 9.3.6 has it."""
    outcome = scene.to_target(behaviours.answer)("http://six.example/")

    assert (outcome.kind, outcome.address) == (OutcomeKind.OK, "[2606:2800:220:1::1]:80")
    assert scene.asked == ["[2606:2800:220:1::1]:80"]


def test_a_proxy_that_resolves_gets_the_name(scene: Scene) -> None:
    """Nobody looks the target's name up here, and no address is told."""
    outcome = scene.to_target(behaviours.answer, resolves=True)("http://target.example/")

    assert (outcome.kind, outcome.address) == (OutcomeKind.OK, None)
    assert scene.asked == ["target.example:80"]
    assert scene.network.lookups == ["proxy.internal"]


@pytest.mark.parametrize("resolves", [False, True])
@pytest.mark.parametrize(
    "url",
    [
        "http://10.1.2.3/",
        "http://127.0.0.1/",
        "http://[::1]/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::ffff:10.1.2.3]/",
        "http://metadata.google.internal/",
        "http://localhost/",
        "http://target.example:25/",
    ],
)
def test_what_the_url_shows_is_refused_behind_a_proxy_too(url: str, resolves: bool, scene: Scene) -> None:
    """The proxy is not even asked."""
    outcome = scene.to_target(behaviours.answer, resolves=resolves)(url)

    assert (outcome.kind, outcome.sent, outcome.address) == (OutcomeKind.BLOCKED, False, None)
    assert scene.network.dials == []


@pytest.mark.parametrize("name", ["inside.example", "both.example"])
def test_a_name_that_leads_inside_is_refused(name: str, scene: Scene) -> None:
    """Also with one private address among others."""
    outcome = scene.to_target(behaviours.answer)(f"http://{name}/")

    assert outcome.kind is OutcomeKind.BLOCKED
    assert scene.network.dials == []


@pytest.mark.parametrize("resolves", [False, True])
def test_a_redirect_is_judged_behind_a_proxy_too(resolves: bool, scene: Scene) -> None:
    """Each hop as if it had been handed in."""

    def lead_inside(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 302 X\r\nLocation: http://10.1.2.3/\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()

    outcome = scene.to_target(lead_inside, resolves=resolves)("http://target.example/")

    assert outcome.kind is OutcomeKind.BLOCKED
    assert len(scene.asked) == 1


def answers(head: bytes) -> Behaviour:
    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.send(head + b"\r\n\r\n")

    return behaviour


def never_answers(peer: Peer) -> None:
    peer.read()
    peer.hold()


def closes(peer: Peer) -> None:
    peer.read()


def resets(peer: Peer) -> None:
    peer.read()
    peer.reset()


def floods(peer: Peer) -> None:
    peer.read()
    with suppress(OSError):
        peer.send(b"HTTP/1.1 200 OK\r\n")
        while True:
            peer.send(b"X-Flood: secret-banner\r\n" * 1000)


_REFUSED = "The egress proxy opened no way to the target; it answered {}."
_AWAY = "The egress proxy cannot be reached, or broke off."


@pytest.mark.parametrize(
    ("behaviour", "error", "of_host"),
    [
        (answers(b"HTTP/1.1 403 secret-banner\r\nContent-Length: 0"), _REFUSED.format(403), False),
        (answers(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0"), _REFUSED.format(502), True),
        (answers(b"HTTP/1.1 503 X\r\nContent-Length: 0"), _REFUSED.format(503), False),
        (answers(b"HTTP/1.1 504 X\r\nContent-Length: 0"), _REFUSED.format(504), True),
        (
            answers(
                b'HTTP/1.1 407 X\r\nProxy-Authenticate: Basic realm="secret-banner"\r\nContent-Length: 0'
            ),
            "The egress proxy does not accept our credentials (407).",
            False,
        ),
        (answers(b"secret-banner"), _AWAY, False),
        (closes, _AWAY, False),
        (resets, _AWAY, False),
        (floods, _AWAY, False),
    ],
)
@pytest.mark.parametrize("url", ["http://target.example/", "https://target.example/"])
def test_a_proxy_that_fails_is_a_connect_error(
    behaviour: Behaviour, error: str, of_host: bool, url: str, scene: Scene
) -> None:
    """Nothing was sent, so that a POST may be tried again; the sentence says whose fault it is.

    It tells of the target only where the proxy does.
    """
    outcome = scene.through(behaviour, password="s3cret")(url, method="POST")

    assert (outcome.kind, outcome.error, outcome.sent) == (OutcomeKind.CONNECT_ERROR, error, False)
    assert outcome.of_host is of_host
    assert "secret-banner" not in repr(outcome)


def test_a_proxy_that_does_not_answer_is_waited_for_in_bounds(scene: Scene) -> None:
    """And neither the sentence nor its circuit blames the target."""
    outcome = scene.through(never_answers)("http://target.example/", timeout=0.5)

    assert (outcome.kind, outcome.of_host) == (OutcomeKind.TIMEOUT, False)
    assert (outcome.error or "").endswith("while waiting for the egress proxy.")


def test_a_proxy_without_an_address_is_a_connect_error(scene: Scene) -> None:
    """Not a dns_error, which would be the target's."""
    outcome = scene.through(closes, host="nowhere.internal")("http://target.example/")

    assert (outcome.kind, outcome.error, outcome.of_host) == (
        OutcomeKind.CONNECT_ERROR,
        "The name of the egress proxy could not be resolved.",
        False,
    )


def test_a_proxy_whose_name_nobody_looks_up_is_a_connect_error(scene: Scene) -> None:
    """A resolver that hangs blames no target either."""
    fetch = scene.through(closes)
    scene.network.is_answering.clear()

    outcome = fetch("http://target.example/", timeout=0.3)

    scene.network.is_answering.set()
    assert (outcome.kind, outcome.of_host) == (OutcomeKind.CONNECT_ERROR, False)


def test_a_proxy_that_takes_no_connections_is_waited_for_in_bounds(watch: Watch) -> None:
    """Its host is away, or its queue of connections is full, as here."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        place = full.getsockname()
        queued = [socket.socket() for _ in range(4)]
        for each in queued:
            each.setblocking(False)
            each.connect_ex(place)
        policy = FetchPolicy(proxy=Proxy(host="127.0.0.1", port=place[1]), connect_timeout=0.3)
        handler = HttpHandler(policy, watch)

        outcome = Fetcher(handler)("http://93.184.216.34/")

        handler.close()
        for each in queued:
            each.close()
    assert (outcome.kind, outcome.of_host) == (OutcomeKind.TIMEOUT, False)


def test_a_proxy_that_does_not_listen_is_a_connect_error(watch: Watch) -> None:
    """By its address here; loopback is open to the proxy, and to nobody else."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    policy = FetchPolicy(proxy=Proxy(host="127.0.0.1", port=port))
    handler = HttpHandler(policy, watch)

    outcome = Fetcher(handler)("http://93.184.216.34/", method="POST")

    handler.close()
    assert (outcome.kind, outcome.error, outcome.sent) == (OutcomeKind.CONNECT_ERROR, _AWAY, False)
    assert not outcome.of_host


def test_a_fault_of_the_target_is_not_the_proxys(scene: Scene) -> None:
    """Once there is a way, it is told as ever; also on a way that is used again."""
    fetch = scene.to_target(behaviours.f21_takes_and_closes_reused)
    assert fetch("http://target.example/").kind is OutcomeKind.OK

    reset = scene.to_target(behaviours.f18_reset_before_reply)("http://target.example/")

    assert reset.kind is OutcomeKind.CONNECT_ERROR
    assert reset.error == "The connection was closed without an answer."
    assert reset.of_host


def test_the_proxys_credentials_are_for_it_alone(scene: Scene) -> None:
    """The target does not get them, and no record, log or dump of ours."""
    port = int(scene.target.url(behaviours.answer).rpartition(":")[2].strip("/"))
    fetch = scene.through(behaviours.leads_to(port), password="s3:cret")

    outcome = fetch("http://target.example/")

    expected = base64.b64encode(b"us er:s3:cret").decode()
    assert scene.proxy.ledger.requests[0].header("proxy-authorization") == f"Basic {expected}"
    assert scene.target.ledger.requests[0].header("proxy-authorization") is None
    told = repr(outcome) + repr(fetch.handler._policy)
    assert "s3:cret" not in told
    assert "us er" not in told


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"])
def test_the_environment_names_no_proxy(
    name: str, hostile: Hostile, make_fetcher: Callable[..., Fetcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever was set for other programs."""
    monkeypatch.setenv(name, hostile.url(closes))

    assert make_fetcher()(hostile.url(behaviours.answer)).kind is OutcomeKind.OK


def test_the_environment_makes_no_exception(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured proxy is for every target."""
    monkeypatch.setenv("no_proxy", "target.example,*")

    assert scene.to_target(behaviours.answer)("http://target.example/").kind is OutcomeKind.OK
    assert scene.asked == ["93.184.216.34:80"]
