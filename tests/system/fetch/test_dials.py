"""Look-ups and dials beneath the SSRF guard."""

import threading
from types import SimpleNamespace
from typing import Any

import pycurl
import pytest

from taskrunner.domain.targets.ssrf_policy import DialRefusal, SsrfPolicy
from taskrunner.domain.targets.url import parse_url
from taskrunner.handlers.http import network as network_module
from taskrunner.handlers.http.dialer import Dialer
from taskrunner.handlers.http.network import LookupTimedOut, Network
from taskrunner.handlers.http.ssrf_guard import SsrfGuard, TargetRefused
from taskrunner.handlers.http.worker_sockets import SocketWatch
from tests.tools.staged_network import OTHER, PUBLIC, PUBLIC_6, StagedNetwork
from tests.tools.waiting import wait_for


def test_workers_share_a_look_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty workers share one look-up. Concurrent look-ups are limited, and others wait for room."""
    monkeypatch.setattr(network_module, "_MAX_LOOKUPS", 1)
    network = StagedNetwork({"a.test": [[PUBLIC]], "b.test": [[OTHER]]}, {})
    network.is_answering.clear()
    answers: list[object] = []

    def look_up(name: str) -> None:
        answers.append(network.look_up(name, 10, lambda: False))

    threads = [threading.Thread(target=look_up, args=("a.test",)) for _ in range(50)]
    for thread in threads:
        thread.start()
    wait_for(lambda: network.lookups == ["a.test"], "the name is looked up")
    with pytest.raises(LookupTimedOut):
        network.look_up("b.test", 0.05, lambda: False)
    network.is_answering.set()
    for thread in threads:
        thread.join(10)
    look_up("b.test")

    assert len(answers) == 51
    assert network.lookups == ["a.test", "b.test"]


def test_the_dialer_allows_only_addresses_of_the_plan(watch: SocketWatch) -> None:
    """If libcurl ever dials another address, port or scope, it gets no socket."""
    network = StagedNetwork({"a.test": [[PUBLIC, PUBLIC_6]]}, {})
    guard = SsrfGuard(SsrfPolicy(), network, lambda: False)
    dialer = Dialer(guard, network, watch.add_worker(first_byte=60, idle=60))
    plan = guard.plan_dial(parse_url("http://a.test/"), 1.0)

    def is_refused(*socket_address: Any) -> bool:
        dialer.begin_request(plan)
        assert dialer._on_open(0, SimpleNamespace(family=0, addr=socket_address)) == pycurl.SOCKET_BAD
        return dialer.refused

    assert is_refused(OTHER, 80)
    assert is_refused("10.0.0.1", 80)
    assert is_refused(PUBLIC, 81)
    assert is_refused(PUBLIC_6, 80, 0, 2)
    assert is_refused("/run/docker.sock", 80)
    assert guard.allows_dial(plan, (PUBLIC, 80), 1.0)
    assert guard.allows_dial(plan, (PUBLIC_6, 80, 0, 0), 1.0)


def test_an_address_that_became_our_own_is_refused_at_the_dial() -> None:
    """An address that passed at the look-up is checked again at the dial, however soon after."""
    network = StagedNetwork({"a.test": [[PUBLIC]]}, {})
    guard = SsrfGuard(SsrfPolicy(), network, lambda: False)
    plan = guard.plan_dial(parse_url("http://a.test/"), 1.0)

    network._own = frozenset({PUBLIC})

    assert not guard.allows_dial(plan, (PUBLIC, 80), 1.0)
    with pytest.raises(TargetRefused) as refused:
        SsrfGuard(SsrfPolicy(), network, lambda: False).plan_dial(parse_url("http://a.test/"), 1.0)
    assert refused.value.refusal is DialRefusal.OWN_ADDRESS


def test_the_machines_own_addresses_are_found() -> None:
    """The kernel says from which address it would send."""
    network = Network()
    guard = SsrfGuard(SsrfPolicy(), network, lambda: False)
    for text in ("http://127.0.0.1/", "http://127.0.0.2/", "http://[::1]/"):
        address = parse_url(text).address
        assert address is not None
        assert guard._is_own(address)
    elsewhere = parse_url("http://93.184.216.34/").address
    assert elsewhere is not None
    assert not network.is_own(elsewhere)


def test_a_name_is_looked_up_by_the_system() -> None:
    """As in /etc/hosts and the resolver."""
    answer = Network().look_up("localhost", 5.0, lambda: False)
    assert all(address is not None and address.is_loopback for address in answer)
