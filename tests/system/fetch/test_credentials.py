"""Credentials: what the target gets, checked without our own code; and who never gets it."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from taskrunner.domain.targets.credential import SignedToken, SigningSecret
from taskrunner.domain.targets.signed_token import TokenKey
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.domain.tasks.task import Redirects
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.target_auth import TargetAuth
from tests.system.fetch.conftest import Fetcher
from tests.system.fetch.test_redirects import redirecting
from tests.tools import behaviours
from tests.tools.hostile import Hostile, Seen
from tests.tools.token_keys import ec_pem, ed25519_pem, rsa_pem

OLD, NEW = (bytes([number]) * 24 for number in (1, 2))
ISSUER = "https://tasks.example"
PEMS = {"RS256": rsa_pem(), "ES256": ec_pem(), "EdDSA": ed25519_pem()}
OTHER_PEMS = {"RS256": rsa_pem(), "ES256": ec_pem(), "EdDSA": ed25519_pem()}
NAMES = ("signed", "rotating", *PEMS)


def whsec(key: bytes) -> str:
    return "whsec_" + base64.b64encode(key).decode()


CREDENTIALS = {
    "signed": SigningSecret(keys=(whsec(OLD),), hosts=("127.0.0.1",)),
    "rotating": SigningSecret(keys=(whsec(OLD), whsec(NEW)), hosts=("*",)),
    "elsewhere": SigningSecret(keys=(whsec(OLD),), hosts=("*.example.com", "127.0.0.1:1")),
    "token_elsewhere": SignedToken(key_pem=PEMS["ES256"], hosts=("*.example.com",)),
    "named": SignedToken(key_pem=PEMS["ES256"], hosts=("*",), subject="tasks@erp", audience="erp"),
    **{name: SignedToken(key_pem=pem, hosts=("127.0.0.1",)) for name, pem in PEMS.items()},
}


@pytest.fixture
def fetch(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    return make_fetcher(credentials=CREDENTIALS, issuer=ISSUER)


def signatures(seen: Seen, *keys: bytes) -> str:
    """Standard Webhooks 1.0, by hand: what `webhook-signature` must be."""
    signed = f"{seen.header('webhook-id')}.{seen.header('webhook-timestamp')}.".encode() + seen.body
    digests = [hmac.new(key, signed, hashlib.sha256).digest() for key in keys]
    return " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests)


def token_of(seen: Seen) -> str:
    scheme, _, token = (seen.header("Authorization") or "").partition(" ")
    assert scheme == "Bearer"
    return token


def claims_in(seen: Seen, pem: str, algorithm: str, **expected: Any) -> dict[str, Any]:
    """The claims of the token, once its signature and its times are verified."""
    key = jwt.PyJWK(TokenKey(pem).public)
    return jwt.decode(token_of(seen), key, algorithms=[algorithm], issuer=ISSUER, **expected)


@pytest.mark.parametrize(("name", "keys"), [("signed", [OLD]), ("rotating", [OLD, NEW])])
@pytest.mark.parametrize(
    ("method", "body"),
    [("POST", '{"ü": 1}'), ("POST", None), ("GET", None), ("DELETE", None), ("HEAD", None)],
)
def test_a_target_verifies_the_signature(
    name: str, keys: list[bytes], method: str, body: str | None, hostile: Hostile, fetch: Fetcher
) -> None:
    """Over id, time and the bytes of the body; while keys rotate, with either of them."""
    before = int(time.time())
    fetch(hostile.url(behaviours.answer), id="t-1", auth=name, method=method, body=body)

    [seen] = hostile.ledger.requests
    assert seen.header("webhook-id") == "t-1"
    assert before <= int(seen.header("webhook-timestamp") or "") <= time.time()
    assert seen.header("webhook-signature") == signatures(seen, *keys)


@pytest.mark.parametrize("field", ["auth", "signed_by"])
def test_the_id_is_the_one_that_is_signed(
    field: str, hostile: Hostile, make_fetcher: Callable[..., Fetcher]
) -> None:
    """The stored id of an isolated API key's task begins with the name of the key, which no target gets."""
    fetch = make_fetcher(credentials=CREDENTIALS, secrets=CREDENTIALS)
    given: dict[str, Any] = {field: "signed"}
    fetch(hostile.url(behaviours.answer), id="web~t-1", method="POST", body="x", **given)

    [seen] = hostile.ledger.requests
    assert seen.header("webhook-id") == "t-1"
    assert seen.header("webhook-signature") == signatures(seen, OLD)


@pytest.mark.parametrize("algorithm", PEMS)
def test_a_target_verifies_the_token(algorithm: str, hostile: Hostile, fetch: Fetcher) -> None:
    """By default it is for the origin of the target, and its subject is the credential's name."""
    url = hostile.url(behaviours.answer)
    fetch(f"{url}?a=b", id="t-1", number=3, auth=algorithm)

    [seen] = hostile.ledger.requests
    origin = f"http://{urlsplit(url).netloc}"
    claims = claims_in(seen, PEMS[algorithm], algorithm, audience=origin)
    assert (claims["sub"], claims["jti"]) == (algorithm, "t-1.3")
    assert 0 < claims["exp"] - claims["iat"] <= 300
    assert jwt.get_unverified_header(token_of(seen))["kid"] == TokenKey(PEMS[algorithm]).id
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token_of(seen), jwt.PyJWK(TokenKey(OTHER_PEMS[algorithm]).public), audience=origin)


def test_subject_and_audience_are_the_operators(hostile: Hostile, fetch: Fetcher) -> None:
    fetch(hostile.url(behaviours.answer), auth="named")

    [seen] = hostile.ledger.requests
    assert claims_in(seen, PEMS["ES256"], "ES256", audience="erp")["sub"] == "tasks@erp"


def test_each_attempt_has_another_token(hostile: Hostile, fetch: Fetcher) -> None:
    for number in (1, 2):
        fetch(hostile.url(behaviours.answer), id="t-1", number=number, auth="ES256")
    fetch(hostile.url(behaviours.answer), id="web~t-1", number=1, auth="ES256")

    ids = [
        jwt.decode(token_of(seen), options={"verify_signature": False})["jti"]
        for seen in hostile.ledger.requests
    ]
    assert len({*ids}) == 3


@pytest.mark.parametrize("name", NAMES)
def test_nobody_brings_its_headers_along(name: str, hostile: Hostile, fetch: Fetcher) -> None:
    """Intake refuses both together, but an AMQP client can publish a task without intake."""
    forged = {"webhook-signature": "v1,x", "webhook-id": "x", "webhook-timestamp": "1"}
    given = forged if name in ("signed", "rotating") else {"authorization": "Bearer x"}
    outcome = fetch(hostile.url(behaviours.answer), auth=name, headers=given)

    assert outcome.kind is OutcomeKind.BLOCKED
    assert hostile.ledger.connections == 0


def test_a_task_without_a_credential_sends_none(hostile: Hostile, fetch: Fetcher) -> None:
    fetch(hostile.url(behaviours.answer))

    [seen] = hostile.ledger.requests
    names = {name.lower() for name, _ in seen.headers}
    assert not names & {"authorization", "webhook-id", "webhook-timestamp", "webhook-signature"}


@pytest.mark.parametrize("name", ["elsewhere", "token_elsewhere"])
def test_it_is_for_its_hosts_only(name: str, hostile: Hostile, fetch: Fetcher) -> None:
    outcome = fetch(hostile.url(behaviours.answer), auth=name)

    assert outcome.kind is OutcomeKind.BLOCKED
    assert "credential" in (outcome.error or "")
    assert hostile.ledger.connections == 0


def test_an_unknown_one_is_not_left_out(hostile: Hostile, fetch: Fetcher) -> None:
    """The operator's configuration may be late: the next attempt may know it."""
    outcome = fetch(hostile.url(behaviours.answer), auth="unknown")

    assert (outcome.kind, outcome.retryable) == (OutcomeKind.INTERRUPTED, None)
    assert hostile.ledger.connections == 0


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("name", ["rotating", "named"])
def test_it_goes_to_no_other_origin(
    name: str, method: str, status: int, hostile: Hostile, fetch: Fetcher
) -> None:
    """Not even one for every host: the other port is another owner's."""
    with Hostile() as other:
        target = hostile.url(redirecting(status, other.url(behaviours.answer)))
        fetch(target, auth=name, method=method, redirects=Redirects.REWRITE)
        names = [name.lower() for seen in other.ledger.requests for name, _ in seen.headers]

    assert len(hostile.ledger.requests) == 1
    assert [name for name in names if name == "authorization" or name.startswith("webhook-")] == []


def test_changed_ones_are_used_from_the_next_attempt_on(
    make_fetcher: Callable[..., Fetcher], hostile: Hostile
) -> None:
    """A key that is replaced, and a credential that is taken away."""
    settings = FetchSettings(credentials=CREDENTIALS, issuer=ISSUER)
    auth = TargetAuth(settings)
    fetch = make_fetcher(auth=auth)
    fetch(hostile.url(behaviours.answer), auth="signed")
    changed = {"signed": SigningSecret(keys=(whsec(NEW),), hosts=("127.0.0.1",))}
    auth.configure(FetchSettings(credentials=changed))
    fetch(hostile.url(behaviours.answer), auth="signed")

    before, after = hostile.ledger.requests
    assert before.header("webhook-signature") == signatures(before, OLD)
    assert after.header("webhook-signature") == signatures(after, NEW)
    assert fetch(hostile.url(behaviours.answer), auth="ES256").kind is OutcomeKind.INTERRUPTED
