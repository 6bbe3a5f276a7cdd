"""Callbacks: signed by Standard Webhooks 1.0, anew for each attempt."""

import base64
import time
from collections.abc import Callable
from typing import Any

import pytest

from taskrunner.domain.targets.credential import SigningSecret
from taskrunner.domain.targets.signature import sign
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task import Redirects
from tests.system.fetch.conftest import Fetcher
from tests.system.fetch.test_redirects import redirecting
from tests.tools import behaviours
from tests.tools.hostile import Hostile, Seen

OLD, NEW = ("whsec_" + base64.b64encode(bytes([number]) * 24).decode() for number in (1, 2))
SIGNED: Any = {"id": "msg-1", "method": "POST", "body": '{"ü": 1}', "headers": {"webhook-id": "msg-1"}}


@pytest.fixture
def fetch(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    return make_fetcher(
        secrets={
            "one": SigningSecret(keys=(OLD,), hosts=("127.0.0.1",)),
            "two": SigningSecret(keys=(OLD, NEW), hosts=("*",)),
            "elsewhere": SigningSecret(keys=(OLD,), hosts=("*.example.com", "127.0.0.1:1")),
        }
    )


def verified(seen: Seen, *secrets: str) -> int:
    """Check that each of `secrets` has signed the request, and return the timestamp."""
    timestamp = int(seen.header("webhook-timestamp") or "")
    assert seen.header("webhook-id") == "msg-1"
    assert seen.header("webhook-signature") == sign(secrets, "msg-1", timestamp, seen.body)
    return timestamp


@pytest.mark.parametrize(("name", "secrets"), [("one", [OLD]), ("two", [OLD, NEW])])
def test_a_receiver_can_verify_it(name: str, secrets: list[str], hostile: Hostile, fetch: Fetcher) -> None:
    """While secrets rotate, either verifies it. The timestamp is the attempt's."""
    before = int(time.time())
    outcome = fetch(hostile.url(behaviours.answer), signed_by=name, **SIGNED)

    assert outcome.kind is OutcomeKind.OK
    [seen] = hostile.ledger.requests
    assert before <= verified(seen, *secrets) <= time.time()


def test_each_attempt_has_the_same_id(hostile: Hostile, fetch: Fetcher) -> None:
    """A receiver can tell that it already has the callback."""
    for number in (1, 2):
        fetch(hostile.url(behaviours.answer), number=number, signed_by="one", **SIGNED)

    for seen in hostile.ledger.requests:
        verified(seen, OLD)


def test_a_callback_without_its_secret_is_not_sent(hostile: Hostile, fetch: Fetcher) -> None:
    """The secret may be there at the next attempt: the operator's configuration may be late."""
    outcome = fetch(hostile.url(behaviours.answer), signed_by="three", **SIGNED)

    assert (outcome.kind, outcome.retryable) == (OutcomeKind.INTERRUPTED, None)
    assert "three" not in (outcome.error or "")
    assert hostile.ledger.connections == 0


def test_a_secret_signs_only_for_its_hosts(hostile: Hostile, fetch: Fetcher) -> None:
    """An AMQP client can name one without intake."""
    outcome = fetch(hostile.url(behaviours.answer), signed_by="elsewhere", **SIGNED)

    assert (outcome.kind, outcome.error) == (
        OutcomeKind.BLOCKED,
        "The secret or credential of the task is not for this request.",
    )
    assert hostile.ledger.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["POST", "PUT", "GET"])
def test_a_signature_goes_to_no_other_origin(
    status: int, method: str, hostile: Hostile, fetch: Fetcher
) -> None:
    """Not even a secret that is for every host: a receiver must not pass its signature on."""
    with Hostile() as other:
        fields = {**SIGNED, "signed_by": "two", "redirects": Redirects.REWRITE, "method": method}
        if method == "GET":
            del fields["body"]
        fetch(hostile.url(redirecting(status, other.url(behaviours.answer))), **fields)
        names = [name.lower() for seen in other.ledger.requests for name, _ in seen.headers]

    assert len(hostile.ledger.requests) == 1
    assert [name for name in names if name.startswith("webhook-")] == []


@pytest.mark.parametrize("secret", ["one", None])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_only_the_answer_to_the_signed_post_delivers_it(
    status: int, secret: str | None, hostile: Hostile, fetch: Fetcher
) -> None:
    """A web framework's redirect to the path with a slash, then 200 to a GET: nobody got the payload."""
    fields = {**SIGNED, "signed_by": secret, "redirects": Redirects.KEEP}

    outcome = fetch(hostile.url(redirecting(status, "/end/")), **fields)

    delivered = outcome.kind is OutcomeKind.OK
    assert delivered is (status in {307, 308})
    assert len(hostile.ledger.requests) == (2 if delivered else 1)
    last = hostile.ledger.requests[-1]
    assert (last.method, last.body) == ("POST", SIGNED["body"].encode())
    if secret is not None:
        verified(last, OLD)


def test_other_tasks_are_not_signed(hostile: Hostile, fetch: Fetcher) -> None:
    fetch(hostile.url(behaviours.answer), method="POST", body="x")

    [seen] = hostile.ledger.requests
    assert [name for name, _ in seen.headers if name.startswith("webhook-")] == []
