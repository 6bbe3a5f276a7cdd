"""Signed tokens: JSON Web Tokens (RFC 7519) of which we are the issuer, and the keys that verify them.

Loads the library for JOSE, which takes 19 MiB: imported only where a key is configured.
"""

import base64
import hashlib
import json
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

# Seconds. Receivers need only the time of the request, give or take their clock.
LIFETIME = 300
_MIN_RSA_BITS = 2048  # RFC 7518 section 3.3
_PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey
# By key type (RFC 7518 and RFC 8037): what a thumbprint covers (RFC 7638 section 3.2, RFC 8037 section 2).
_THUMBPRINT = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


class TokenKey:
    """A private key that signs tokens. Raises `ValueError`, without the text, for one that is none."""

    def __init__(self, pem: str) -> None:
        self._key, self.algorithm, public = _load(pem)
        self.id = thumbprint(public)
        public.pop("key_ops", None)
        self.public: dict[str, Any] = {**public, "kid": self.id, "use": "sig", "alg": self.algorithm}

    def sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode(claims, self._key, algorithm=self.algorithm, headers={"kid": self.id})


def thumbprint(public: dict[str, Any]) -> str:
    """The name of a key that follows from the key (RFC 7638)."""
    covered = {name: public[name] for name in _THUMBPRINT[public["kty"]]}
    digest = hashlib.sha256(json.dumps(covered, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def claims_of(
    *, issuer: str, subject: str, audience: str, token_id: str, now: float, lifetime: int = LIFETIME
) -> dict[str, Any]:
    """RFC 7519 section 4.1. Each token has another `token_id`, so that receivers can refuse a second use."""
    issued_at = int(now)
    return {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": issued_at,
        "exp": issued_at + lifetime,
        "jti": token_id,
    }


def _load(pem: str) -> tuple[_PrivateKey, str, dict[str, Any]]:
    """The key, its algorithm, and its public half as a JSON Web Key."""
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("is locked by a passphrase; give a key without one") from None
    except ValueError:
        raise ValueError("holds no private key in PEM") from None
    if isinstance(key, RSAPrivateKey):
        if key.key_size < _MIN_RSA_BITS:
            raise ValueError(f"has an RSA key of {key.key_size} bits, at least {_MIN_RSA_BITS} are needed")
        return key, "RS256", RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if isinstance(key, EllipticCurvePrivateKey) and isinstance(key.curve, SECP256R1):
        return key, "ES256", ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if isinstance(key, Ed25519PrivateKey):
        return key, "EdDSA", OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    raise ValueError("has a key of a kind that signs no tokens: give RSA, P-256 or Ed25519")
