"""The SSRF guard: what is looked up, what is dialled, and what a refusal reveals."""

import threading
from collections.abc import Callable

import pytest

from taskrunner.domain.targets.ssrf_policy import DialRefusal, SsrfPolicy
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.value import replace
from taskrunner.handlers.http import network as network_module
from taskrunner.handlers.http.network import Network
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Hostile, Peer
from tests.tools.staged_network import OTHER, PUBLIC, PUBLIC_6, StagedNetwork
from tests.tools.waiting import wait_for

DEFAULTS = TaskLimits()
Staging = Callable[..., tuple[Fetcher, StagedNetwork]]


def port_of(url: str) -> int:
    return int(url.split(":")[2].strip("/"))


@pytest.fixture
def staged(hostile: Hostile, make_fetcher: Callable[..., Fetcher]) -> Staging:
    """A fetcher on a staged network, where each name has its answers and one server answers every dial."""

    def make(
        names: dict[str, list[list[str]]],
        ssrf_policy: SsrfPolicy = SsrfPolicy(),
        own: tuple[str, ...] = (),
        behaviour: Callable[[Peer], None] = behaviours.answer,
    ) -> tuple[Fetcher, StagedNetwork]:
        network = StagedNetwork(names, {None: port_of(hostile.url(behaviour))}, own)
        return make_fetcher(limits=TaskLimits(ssrf_policy=ssrf_policy), network=network), network

    return make


def test_only_looked_up_addresses_are_dialled(staged: Staging) -> None:
    """One look-up serves several fetches, and libcurl looks up nothing."""
    fetch, network = staged({"a.test": [[PUBLIC], ["10.0.0.1"]]})

    assert [fetch("http://a.test/").kind for _ in range(3)] == [OutcomeKind.OK] * 3

    assert network.lookups == ["a.test"]
    assert network.dials == [(PUBLIC, 80)]


def test_a_name_that_turns_private_is_refused_at_the_next_look_up(
    staged: Staging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is refused even while a connection to its public address is kept."""
    monkeypatch.setattr(network_module, "_CACHE_SECONDS", 0.0)
    fetch, network = staged({"a.test": [[PUBLIC], ["10.0.0.1"]]})

    assert [fetch("http://a.test/").kind for _ in range(2)] == [OutcomeKind.OK, OutcomeKind.BLOCKED]

    assert network.dials == [(PUBLIC, 80)]


@pytest.mark.parametrize(
    ("answer", "refusal"),
    [
        (["10.0.0.1"], DialRefusal.NOT_PUBLIC),
        ([PUBLIC, "10.0.0.1"], DialRefusal.NOT_PUBLIC),
        ([PUBLIC] * 1000 + ["127.0.0.1"], DialRefusal.NOT_PUBLIC),
        ([PUBLIC_6, PUBLIC, "::ffff:10.0.0.1"], DialRefusal.NOT_PUBLIC),
        ([PUBLIC, "fe80::1%eth0"], DialRefusal.ZONE),
        ([PUBLIC, "169.254.169.254"], DialRefusal.NEVER),
        ([PUBLIC, "168.63.129.16"], DialRefusal.NEVER),
        ([PUBLIC, "64:ff9b::a00:1"], DialRefusal.NOT_PUBLIC),
    ],
    ids=str,
)
def test_one_refused_address_refuses_the_name(
    answer: list[str], refusal: DialRefusal, staged: Staging
) -> None:
    """Nothing is dialled, wherever the refused address stands. Only the metrics learn the reason."""
    fetch, network = staged({"a.test": [answer]})

    outcome = fetch("http://a.test/")
    assert (outcome.kind, outcome.refusal) == (OutcomeKind.BLOCKED, refusal)
    assert outcome.error == "taskrunner does not fetch from this target."
    assert network.dials == []


def test_a_refusal_reveals_nothing(staged: Staging) -> None:
    """Every reason has the same outcome but for `refusal`, which only the metrics read: no address, no
    response, no timings, nothing to retry.
    """
    fetch, _ = staged(
        {
            "private.test": [["10.0.0.1"]],
            "metadata.test": [["169.254.169.254"]],
            "own.test": [[OTHER]],
            "broker.test": [[PUBLIC]],
        },
        SsrfPolicy(endpoints=(("broker.test", 80),)),
        own=(OTHER,),
    )
    targets = ["private.test", "metadata.test", "own.test", "broker.test", "127.0.0.1", "[::1]", "0x7f.1"]

    outcomes = {replace(fetch(f"http://{target}/"), refusal=None) for target in targets}

    expected = Outcome(
        kind=OutcomeKind.BLOCKED, error="taskrunner does not fetch from this target.", sent=False
    )
    assert outcomes == {expected}


def test_an_address_of_this_machine_is_refused(staged: Staging) -> None:
    """It is refused however public it is."""
    fetch, network = staged({"a.test": [[PUBLIC]]}, own=(PUBLIC,))

    assert fetch("http://a.test/").kind is OutcomeKind.BLOCKED
    assert fetch(f"http://{PUBLIC}/").kind is OutcomeKind.BLOCKED
    assert network.dials == []


@pytest.mark.parametrize(
    ("broker", "target"),
    [
        ("rabbit.test", "alias.test"),
        ("rabbit.test", PUBLIC),
        (PUBLIC, "alias.test"),
        ("10.0.0.9", "10.0.0.9"),
        ("127.0.0.1", "own.test"),
        ("own.test", "loop.test"),
        ("rabbit.test", f"[::ffff:{PUBLIC}]"),
    ],
)
def test_the_broker_cannot_be_fetched_by_any_name(broker: str, target: str, staged: Staging) -> None:
    """Neither another name, nor its address, nor another address of its machine reaches it."""
    fetch, network = staged(
        {
            "rabbit.test": [[PUBLIC]],
            "alias.test": [[PUBLIC]],
            "own.test": [[OTHER]],
            "loop.test": [["127.0.0.2"]],
        },
        SsrfPolicy(allow_private=("0.0.0.0/0", "::/0"), ports=(80, 5672), endpoints=((broker, 5672),)),
        own=(OTHER,),
    )

    assert fetch(f"http://{target}:5672/").kind is OutcomeKind.BLOCKED
    assert network.dials == []
    assert fetch(f"http://{target}/").kind is OutcomeKind.OK


def test_an_operator_may_open_a_private_target(staged: Staging) -> None:
    """It may be opened by network or by name, on the listed ports."""
    ssrf_policy = SsrfPolicy(allow_private=("10.1.0.0/16", "db.internal"), ports=(80, 9000))
    names = {"a.test": [["10.1.0.1"]], "b.test": [["10.2.0.1"]], "db.internal": [["10.2.0.1"]]}
    fetch, network = staged(names, ssrf_policy)

    assert fetch("http://a.test:9000/").kind is OutcomeKind.OK
    assert fetch("http://b.test/").kind is OutcomeKind.BLOCKED
    assert fetch("http://db.internal/").kind is OutcomeKind.OK
    assert fetch("http://db.internal:81/").kind is OutcomeKind.BLOCKED
    assert network.dials == [("10.1.0.1", 9000), ("10.2.0.1", 80)]


@pytest.mark.parametrize("host", ["-a.test", "a-.test", "-"])
def test_a_label_may_begin_or_end_with_a_hyphen(host: str, staged: Staging) -> None:
    """libcurl would take a hyphen at the start for the removal of a name, and look it up by itself."""
    fetch, network = staged({host: [[PUBLIC]], "b.test": [[PUBLIC]]})

    for each in (host, "b.test", host):
        assert fetch(f"http://{each}/").kind is OutcomeKind.OK

    assert {*network.dials} == {(PUBLIC, 80)}
    assert host in network.lookups


def test_loopback_may_be_opened_for_development(staged: Staging) -> None:
    """Loopback is open on any port, also by name; other targets keep to the listed ports."""
    names = {"localhost": [["::1", "127.0.0.1"]], "a.test": [[PUBLIC]]}
    fetch, network = staged(names, SsrfPolicy(allow_loopback=True))

    assert fetch("http://localhost:5000/").kind is OutcomeKind.OK
    assert fetch("http://a.test:5000/").kind is OutcomeKind.BLOCKED
    assert network.dials == [("::1", 5000)]


@pytest.mark.parametrize(
    "location",
    [
        "http://10.0.0.1/",
        "//127.0.0.1/",
        "http://private.test/",
        "http://a.test:22/",
        "http://93.184.216.34\\@127.0.0.1/",
        "http://[::1",
        "http://0x7f.1/",
        "http://me@b.test/",
        "http://①②⑦.⓪.⓪.①/",
    ],
)
def test_a_redirect_is_checked_like_a_task(location: str, staged: Staging) -> None:
    """Its URL and its address are checked; only the first target is dialled."""

    def redirecting(peer: Peer) -> None:
        peer.read()
        text = location.encode().decode("latin-1")
        peer.send(f"HTTP/1.1 302 X\r\nLocation: {text}\r\nContent-Length: 0\r\n\r\n".encode("latin-1"))

    names = {"a.test": [[PUBLIC]], "private.test": [["10.0.0.1"]]}
    fetch, network = staged(names, behaviour=redirecting)

    outcome = fetch("http://a.test/")

    assert outcome.kind is OutcomeKind.BLOCKED
    assert outcome.error == "taskrunner does not fetch from this target."
    assert network.dials == [(PUBLIC, 80)]


def test_every_allowed_address_is_dialled(make_fetcher: Callable[..., Fetcher], hostile: Hostile) -> None:
    """When one allowed address does not answer, libcurl dials the next."""

    class Looped(Network):
        def resolve(self, host: str) -> list[str]:
            return ["::1", "127.0.0.1"]

    port = port_of(hostile.url(behaviours.answer))

    outcome = make_fetcher(network=Looped())(f"http://a.test:{port}/")

    assert outcome.kind is OutcomeKind.OK
    assert hostile.ledger.connections == 1


def test_a_name_without_an_address_is_a_dns_error(staged: Staging) -> None:
    """The next attempt looks it up again."""
    fetch, network = staged({})

    outcomes = [fetch("http://a.test/") for _ in range(2)]

    assert [(each.kind, each.retryable) for each in outcomes] == [(OutcomeKind.DNS_ERROR, None)] * 2
    assert network.lookups == ["a.test"] * 2


def test_a_look_up_keeps_to_the_timeout(staged: Staging) -> None:
    """The resolver cannot be interrupted, so its thread is left behind."""
    fetch, network = staged({"a.test": [[PUBLIC]]})
    network.is_answering.clear()

    outcome = fetch("http://a.test/", timeout=0.2)

    assert outcome.kind is OutcomeKind.TIMEOUT
    assert outcome.error == "Timed out after 0.2 s while looking up the host name."
    network.is_answering.set()
    wait_for(lambda: fetch("http://a.test/").kind is OutcomeKind.OK, "a fetch succeeds")
    assert network.lookups == ["a.test"]


def test_a_look_up_ends_when_the_attempt_is_cancelled(staged: Staging) -> None:
    """It does not wait for the resolver."""
    fetch, network = staged({"a.test": [[PUBLIC]]})
    network.is_answering.clear()
    context = fetch.context("http://a.test/", timeout=60.0)
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.append(fetch.handler.run(context)))
    thread.start()
    wait_for(lambda: network.lookups == ["a.test"], "the name is looked up")

    context.cancelled = True
    thread.join(5)

    assert [each.kind for each in outcomes] == [OutcomeKind.CANCELLED]
    network.is_answering.set()
