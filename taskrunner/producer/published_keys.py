"""The public keys by which receivers verify the tokens that tasks send, and the issuer of these tokens."""

from collections.abc import Mapping
from typing import Any

from taskrunner.domain.targets.credential import Credential, SignedToken


class PublishedKeys:
    """`issuer` is None if there is none; `keys` are JSON Web Keys (RFC 7517)."""

    def __init__(self, issuer: str | None, credentials: Mapping[str, Credential]) -> None:
        self.configure(issuer, credentials)

    def configure(self, issuer: str | None, credentials: Mapping[str, Credential]) -> None:
        """Publish the keys of `credentials` from now on."""
        tokens = [each for each in credentials.values() if isinstance(each, SignedToken)]
        self.issuer = issuer
        self.keys = _public_keys([pem for each in tokens for pem in each.published]) if tokens else []


def _public_keys(pems: list[str]) -> list[dict[str, Any]]:
    # Loads the library for tokens, which is needed only where a key is configured.
    from taskrunner.domain.targets.signed_token import TokenKey

    by_id = {key.id: key.public for key in map(TokenKey, pems)}
    return list(by_id.values())
