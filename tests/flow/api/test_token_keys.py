"""The keys of tokens: published without an API key, as OpenID Connect Discovery and RFC 7517 say."""

import jwt
import pytest

from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.targets.credential import SignedToken, SigningSecret
from taskrunner.domain.targets.signed_token import TokenKey
from taskrunner.producer.published_keys import PublishedKeys
from tests.flow.api.harness import Api
from tests.tools.token_keys import ec_pem, ed25519_pem, rsa_pem

ISSUER = "https://tasks.example/tr"
PEMS = [rsa_pem(), ec_pem(), ed25519_pem()]
HOSTS = ("erp.test",)
CREDENTIALS = {
    "a": SignedToken(key_pem=PEMS[0], other_key_pem=PEMS[1], hosts=HOSTS),
    "b": SignedToken(key_pem=PEMS[2], other_key_pem=PEMS[0], hosts=HOSTS),
    "c": SigningSecret(keys=("whsec_x",), hosts=HOSTS),
}


@pytest.fixture
def token_keys() -> PublishedKeys:
    return PublishedKeys(ISSUER, CREDENTIALS)


async def test_a_receiver_finds_the_keys(api: Api) -> None:
    """Each once, the one that replaces another included; a library verifies tokens with the answer."""
    await api.make_key("somebody", Scope.ADMIN)
    answer = await api.ask("GET", "/.well-known/jwks.json")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "public, max-age=300")
    published = jwt.PyJWKSet.from_dict(answer.json)
    assert len(published.keys) == len(PEMS)
    for pem in PEMS:
        key = TokenKey(pem)
        token = key.sign({"sub": "x"})
        kid = jwt.get_unverified_header(token)["kid"]
        assert jwt.decode(token, published[kid]) == {"sub": "x"}


async def test_a_receiver_finds_the_issuer(api: Api) -> None:
    """The keys are below the issuer, with the prefix of a proxy; no API key is needed for either."""
    await api.make_key("somebody", Scope.ADMIN)
    answer = await api.ask("GET", "/.well-known/openid-configuration")
    assert answer.status == 200
    assert answer.json["issuer"] == ISSUER
    assert answer.json["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    assert answer.json["id_token_signing_alg_values_supported"] == ["RS256", "ES256", "EdDSA"]


@pytest.mark.parametrize("token_keys", [PublishedKeys(None, {})])
async def test_without_an_issuer_there_are_no_keys(api: Api) -> None:
    assert (await api.get("/.well-known/jwks.json")).json == {"keys": []}
    problem = await api.refusal(404, "not_found", "GET", "/.well-known/openid-configuration")
    assert "Fetch.issuer" in problem["detail"]


async def test_an_answer_has_no_private_part(api: Api, token_keys: PublishedKeys) -> None:
    answer = await api.get("/.well-known/jwks.json")
    members = {name for key in answer.json["keys"] for name in key}
    assert members == {"kty", "n", "e", "crv", "x", "y", "kid", "use", "alg"}
    token_keys.configure(ISSUER, {})
    assert (await api.get("/.well-known/jwks.json")).json == {"keys": []}
