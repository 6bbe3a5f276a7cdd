"""Keys of tokens: which are taken, what is published of them, and how they are named."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from taskrunner.domain.targets.signed_token import LIFETIME, TokenKey, claims_of, thumbprint
from tests.tools.token_keys import ec_pem, ed25519_pem, pem_of, rsa_pem

# RFC 7638 section 3.1, and RFC 8037 appendix A.3.
VECTORS = [
    (
        {
            "kty": "RSA",
            "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE"
            "CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q"
            "vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6"
            "WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
            "e": "AQAB",
            "alg": "RS256",
            "kid": "2011-04-29",
        },
        "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    ),
    (
        {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    ),
]


@pytest.mark.parametrize(("public", "name"), VECTORS, ids=["RSA", "Ed25519"])
def test_a_key_has_the_name_of_the_standard(public: dict[str, str], name: str) -> None:
    assert thumbprint(public) == name


@pytest.mark.parametrize(
    ("pem", "algorithm", "kind"),
    [(rsa_pem(), "RS256", "RSA"), (ec_pem(), "ES256", "EC"), (ed25519_pem(), "EdDSA", "OKP")],
    ids=["RS256", "ES256", "EdDSA"],
)
def test_only_the_public_half_is_published(pem: str, algorithm: str, kind: str) -> None:
    """And it verifies what the private one has signed."""
    key = TokenKey(pem)
    assert not {*key.public} & {"d", "p", "q", "dp", "dq", "qi", "k"}
    assert (key.public["kty"], key.public["alg"], key.public["use"]) == (kind, algorithm, "sig")
    assert key.public["kid"] == key.id == thumbprint(key.public)
    token = key.sign({"sub": "a"})
    assert jwt.get_unverified_header(token) == {"alg": algorithm, "typ": "JWT", "kid": key.id}
    assert jwt.decode(token, jwt.PyJWK(key.public)) == {"sub": "a"}


@pytest.mark.parametrize(
    ("pem", "told"),
    [
        ("", "holds no private key"),
        ("junk", "holds no private key"),
        (rsa_pem(1024), "1024 bits, at least 2048"),
        (ec_pem(ec.SECP384R1()), "RSA, P-256 or Ed25519"),
        (pem_of(rsa.generate_private_key(65_537, 2048), b"s3cret"), "passphrase"),
    ],
    ids=["empty", "junk", "short", "P-384", "locked"],
)
def test_a_key_that_signs_no_tokens_is_refused(pem: str, told: str) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        TokenKey(pem)
    assert "BEGIN" not in str(caught.value)


def test_a_token_lives_for_minutes() -> None:
    """Whole seconds, which all libraries read."""
    claims = claims_of(issuer="https://a", subject="b", audience="https://c", token_id="d", now=99.9)
    assert (claims["iat"], claims["exp"]) == (99, 99 + LIFETIME)
    assert LIFETIME <= 300
