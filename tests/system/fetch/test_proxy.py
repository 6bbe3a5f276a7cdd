"""The egress proxy: all goes through it, and what was out of reach still is."""

import base64
from collections.abc import Callable

import pytest
import trustme

from taskrunner.domain.outcome import OutcomeKind
from taskrunner.handlers.http.settings import FetchSettings
from tests.system.fetch.conftest import PROXY_PORT, Fetcher, Scene, server_context
from tests.tools import behaviours
from tests.tools.hostile import Hostile, Peer


def sends_chunks(peer: Peer) -> None:
    while True:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        peer.send(b"".join([b"%x\r\n%b\r\n" % (1000, b"x" * 1000)] * 1000) + b"0\r\n\r\n")


def test_http_goes_through_the_proxy_by_address(scene: Scene) -> None:
    """The name is judged here; only the proxy is dialled, and only the target sees the request."""
    fetch = scene.to_target(behaviours.answer)

    outcomes = [fetch("http://target.example/a", headers={"X-Mine": "yes"}) for _ in range(3)]

    assert [each.kind for each in outcomes] == [OutcomeKind.OK] * 3
    assert scene.asked == ["93.184.216.34:80"]
    assert scene.network.settings == [("10.0.0.9", PROXY_PORT)]
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
    assert scene.proxy.ledger.requests[0].header("user-agent") == FetchSettings().user_agent
    assert scene.target.ledger.requests[0].header("user-agent") == "task's own"


def test_https_goes_through_the_proxy_to_the_named_host(scene: Scene, authority: trustme.CA) -> None:
    """The certificate is held against the name, not against the address that the proxy was asked for."""
    fetch = scene.to_target(behaviours.answer, tls=server_context(authority, "target.example"))

    right, wrong = fetch("https://target.example/"), fetch("https://six.example/")

    assert (right.kind, wrong.kind) == (OutcomeKind.OK, OutcomeKind.TLS_ERROR)
    assert "another host name" in (wrong.error or "")
    assert scene.asked == ["93.184.216.34:443", "[2606:2800:220:1::1]:443"]


@pytest.mark.parametrize("name", ["http", "https"])
def test_the_way_to_the_proxy_may_be_encrypted(name: str, scene: Scene, authority: trustme.CA) -> None:
    """With the trust of the fetch; a target over TLS has its own within. Large bodies and chunks pass."""
    tls = server_context(authority, "target.example") if name == "https" else None
    port = int(scene.target.url(sends_chunks, tls=tls).rpartition(":")[2].strip("/"))
    fetch = scene.through(
        behaviours.leads_to(port), password="s3cret", tls=server_context(authority, "proxy.internal")
    )

    outcomes = [fetch(f"{name}://target.example/a", headers={"X-Mine": "yes"}) for _ in range(2)]

    for outcome in outcomes:
        assert (outcome.kind, outcome.error) == (OutcomeKind.OK, None)
        assert outcome.response is not None
        assert outcome.response.size_bytes == 1_000_000
    assert scene.network.settings == [("10.0.0.9", PROXY_PORT)]
    assert scene.proxy.ledger.requests[0].header("proxy-authorization") is not None
    assert [seen.header("x-mine") for seen in scene.target.ledger.requests] == ["yes", "yes"]


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
    assert scene.network.settings == []


@pytest.mark.parametrize("name", ["inside.example", "both.example"])
def test_a_name_that_leads_inside_is_refused(name: str, scene: Scene) -> None:
    """Also with one private address among others."""
    outcome = scene.to_target(behaviours.answer)(f"http://{name}/")

    assert outcome.kind is OutcomeKind.BLOCKED
    assert scene.network.settings == []


@pytest.mark.parametrize("resolves", [False, True])
def test_a_redirect_is_judged_behind_a_proxy_too(resolves: bool, scene: Scene) -> None:
    """Each exchange as if it had been handed in."""

    def lead_inside(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 302 X\r\nLocation: http://10.1.2.3/\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()

    outcome = scene.to_target(lead_inside, resolves=resolves)("http://target.example/")

    assert outcome.kind is OutcomeKind.BLOCKED
    assert len(scene.asked) == 1


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
    monkeypatch.setenv(name, hostile.url(behaviours.f18_reset_before_reply))

    assert make_fetcher()(hostile.url(behaviours.answer)).kind is OutcomeKind.OK


def test_the_environment_makes_no_exception(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured proxy is for every target."""
    monkeypatch.setenv("no_proxy", "target.example,*")

    assert scene.to_target(behaviours.answer)("http://target.example/").kind is OutcomeKind.OK
    assert scene.asked == ["93.184.216.34:80"]
