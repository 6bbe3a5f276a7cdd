"""The egress proxy: every request goes through it, and the SSRF guard holds as without it."""

import base64
from collections.abc import Callable

import pytest
import trustme

from taskrunner.domain.tasks.outcome import OutcomeKind
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
    """The name is checked here; only the proxy is dialled, and only the target sees the request."""
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


def test_the_proxy_gets_our_user_agent(scene: Scene) -> None:
    """It gets the configured User-Agent, not the task's and not a library's."""
    fetch = scene.to_target(behaviours.answer)
    assert fetch("http://target.example/", headers={"User-Agent": "task's own"}).kind is OutcomeKind.OK
    assert scene.proxy.ledger.requests[0].header("user-agent") == FetchSettings().user_agent
    assert scene.target.ledger.requests[0].header("user-agent") == "task's own"


def test_https_goes_through_the_proxy_to_the_named_host(scene: Scene, authority: trustme.CA) -> None:
    """The certificate is verified for the name, not for the address that the proxy was asked for."""
    fetch = scene.to_target(behaviours.answer, tls=server_context(authority, "target.example"))

    right, wrong = fetch("https://target.example/"), fetch("https://six.example/")

    assert (right.kind, wrong.kind) == (OutcomeKind.OK, OutcomeKind.TLS_ERROR)
    assert "another host name" in (wrong.error or "")
    assert scene.asked == ["93.184.216.34:443", "[2606:2800:220:1::1]:443"]


@pytest.mark.parametrize("name", ["http", "https"])
def test_the_connection_to_the_proxy_may_be_encrypted(name: str, scene: Scene, authority: trustme.CA) -> None:
    """The proxy is verified by the trust of the fetch; TLS to the target runs inside. Large chunked bodies
    pass.
    """
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
    assert scene.network.dials == [("10.0.0.9", PROXY_PORT)]
    assert scene.proxy.ledger.requests[0].header("proxy-authorization") is not None
    assert [seen.header("x-mine") for seen in scene.target.ledger.requests] == ["yes", "yes"]


def test_an_ipv6_target_is_asked_for_in_brackets(scene: Scene) -> None:
    """RFC 9110 9.3.6 requires them."""
    outcome = scene.to_target(behaviours.answer)("http://six.example/")

    assert (outcome.kind, outcome.address) == (OutcomeKind.OK, "[2606:2800:220:1::1]:80")
    assert scene.asked == ["[2606:2800:220:1::1]:80"]


def test_a_proxy_that_resolves_gets_the_name(scene: Scene) -> None:
    """The target's name is not looked up here, and the outcome has no address."""
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
def test_a_url_is_checked_behind_a_proxy_too(url: str, resolves: bool, scene: Scene) -> None:
    """The proxy is not even dialled."""
    outcome = scene.to_target(behaviours.answer, resolves=resolves)(url)

    assert (outcome.kind, outcome.sent, outcome.address) == (OutcomeKind.BLOCKED, False, None)
    assert scene.network.dials == []


@pytest.mark.parametrize("name", ["inside.example", "both.example"])
def test_a_name_with_a_private_address_is_refused(name: str, scene: Scene) -> None:
    """One private address among public ones is enough."""
    outcome = scene.to_target(behaviours.answer)(f"http://{name}/")

    assert outcome.kind is OutcomeKind.BLOCKED
    assert scene.network.dials == []


@pytest.mark.parametrize("resolves", [False, True])
def test_a_redirect_is_checked_behind_a_proxy_too(resolves: bool, scene: Scene) -> None:
    """Each redirect is checked like a submitted URL."""

    def lead_inside(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 302 X\r\nLocation: http://10.1.2.3/\r\nContent-Length: 0\r\n\r\n")
        peer.wait_for_close()

    outcome = scene.to_target(lead_inside, resolves=resolves)("http://target.example/")

    assert outcome.kind is OutcomeKind.BLOCKED
    assert len(scene.asked) == 1


def test_the_proxys_credentials_are_for_it_alone(scene: Scene) -> None:
    """Neither the target nor an outcome or policy of ours shows them."""
    port = int(scene.target.url(behaviours.answer).rpartition(":")[2].strip("/"))
    fetch = scene.through(behaviours.leads_to(port), password="s3:cret")

    outcome = fetch("http://target.example/")

    expected = base64.b64encode(b"us er:s3:cret").decode()
    assert scene.proxy.ledger.requests[0].header("proxy-authorization") == f"Basic {expected}"
    assert scene.target.ledger.requests[0].header("proxy-authorization") is None
    shown = repr(outcome) + repr(fetch.handler._settings)
    assert "s3:cret" not in shown
    assert "us er" not in shown


@pytest.mark.parametrize("name", ["http_proxy", "all_proxy", "ALL_PROXY", "https_proxy", "HTTPS_PROXY"])
def test_the_environment_sets_no_proxy(
    name: str, hostile: Hostile, make_fetcher: Callable[..., Fetcher], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables that were set for other programs are ignored."""
    monkeypatch.setenv(name, hostile.url(behaviours.f18_reset_before_reply))

    assert make_fetcher()(hostile.url(behaviours.answer)).kind is OutcomeKind.OK


def test_the_environment_makes_no_exception(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """A configured proxy applies to every target."""
    monkeypatch.setenv("no_proxy", "target.example,*")

    assert scene.to_target(behaviours.answer)("http://target.example/").kind is OutcomeKind.OK
    assert scene.asked == ["93.184.216.34:80"]
