"""SSRF cases: the misleading URLs of `tests/data/ssrf.jsonl`, each with its source.

A case goes through intake as a draft, then is fetched, and each dial is recorded. A URL that intake refuses
is fetched too, since an envelope can reach a worker without intake.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from taskrunner.domain.errors import TaskInvalid
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task_draft import TaskDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from tests.system.fetch.conftest import Fetcher, server_context
from tests.tools.hostile import Behaviour, Hostile, Peer
from tests.tools.staged_network import StagedNetwork

CASES = [json.loads(line) for line in (Path(__file__).parents[2] / "data" / "ssrf.jsonl").open()]
BROKER = "93.184.216.40"
LIMITS = TaskLimits(ssrf_policy=SsrfPolicy(endpoints=(("rabbit.test", 5672),)))
# The same with the broker's port allowed, so that the port alone is no reason to refuse.
OPEN_LIMITS = TaskLimits(ssrf_policy=SsrfPolicy(ports=(80, 443, 5672), endpoints=(("rabbit.test", 5672),)))
Redirects = list[tuple[int, str]]


def redirecting(redirects: Redirects) -> Behaviour:
    """Answers the first requests with these redirects, and all others with 200."""
    coming = iter(redirects)

    def behaviour(peer: Peer) -> None:
        while True:
            peer.read()
            status, value = next(coming, (200, ""))
            name = "Location" if status != 200 else "Alt-Svc"
            text = value.removeprefix("alt-svc:").encode().decode("latin-1")
            line = f"{name}: {text}\r\n" if value else ""
            peer.send(f"HTTP/1.1 {status} X\r\n{line}Content-Length: 0\r\n\r\n".encode("latin-1"))

    return behaviour


def host_of(case: dict[str, Any]) -> str:
    return "xn--fa-hia.example" if "\u00df" in case["url"] else str(urlsplit(case["url"]).hostname)


def answers_of(case: dict[str, Any]) -> dict[str, list[list[str]]]:
    given = case.get("resolves_to", {})
    by_name = {host_of(case): given} if isinstance(given, list) else given
    answers = {
        name: [[BROKER if each == "<broker-address>" else each for each in answer]]
        for name, answer in by_name.items()
    }
    for name in answers:
        if "rebind_to" in case:
            answers[name].append(case["rebind_to"])
    return {**answers, "rabbit.test": [[BROKER]]}


@pytest.fixture
def stage(hostile: Hostile, authority: trustme.CA) -> Callable[..., StagedNetwork]:
    def make(case: dict[str, Any]) -> StagedNetwork:
        behaviour = redirecting([(status, value) for status, value in case.get("redirects", [])])
        stages: dict[int | None, int] = {None: int(hostile.url(behaviour).split(":")[2].strip("/"))}
        if case["url"].startswith("https") and "resolves_to" in case:
            tls = server_context(authority, host_of(case))
            stages[443] = int(hostile.url(behaviour, tls=tls).split(":")[2].strip("/"))
        return StagedNetwork(answers_of(case), stages)

    return make


@pytest.mark.parametrize("limits", [LIMITS, OPEN_LIMITS], ids=["plain", "open"])
@pytest.mark.parametrize("case", CASES, ids=[case["id"] for case in CASES])
def test_an_ssrf_case(
    case: dict[str, Any],
    limits: TaskLimits,
    stage: Callable[..., StagedNetwork],
    make_fetcher: Callable[..., Fetcher],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A case to block never dials a private address; an allowed one is fetched."""
    for name, value in case.get("env", {}).items():
        monkeypatch.setenv(name, value)
    fields = {"url": case["url"], "headers": case.get("headers", {})}
    network = stage(case)
    fetch = make_fetcher(limits=limits, network=network)

    try:
        fields["url"] = TaskDraft.from_fields(fields, limits).url
        accepted = True
    except TaskInvalid:
        accepted = False
    outcome = fetch(**fields)

    dialled = [address for address, _ in network.dials]
    public = {address for [answer, *_] in answers_of(case).values() for address in answer} - {BROKER}
    if case["expect"] == "allow":
        assert accepted
        assert outcome.kind is OutcomeKind.OK
        assert dialled
        assert set(dialled) <= public | {host_of(case)}
    elif case.get("check") == "no second dial":
        assert len(dialled) == 1
    elif "rebind_to" in case:
        assert network.lookups == [host_of(case)]
        assert set(dialled) <= set(case["resolves_to"])
    elif case["stage"] == "redirect":
        assert outcome.kind in {OutcomeKind.BLOCKED, OutcomeKind.TOO_MANY_REDIRECTS}
        assert set(dialled) <= public
        assert len(dialled) <= 6
    else:
        assert not accepted or case["stage"] != "parse"
        assert outcome.kind is OutcomeKind.BLOCKED
        assert (outcome.response, dialled) == (None, [])
