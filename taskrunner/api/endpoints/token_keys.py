"""The routes by which receivers verify the tokens that tasks send.

OpenID Connect Discovery 1.0, section 4, and RFC 7517. Libraries ask them without an API key.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from taskrunner.api.http.problems import refuse
from taskrunner.api.http.responses import raw_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.view import View
from taskrunner.domain.codec import encode
from taskrunner.producer.published_keys import PublishedKeys

_KEYS = "/.well-known/jwks.json"
# Receivers ask again after this many seconds, or when a token has a key that they do not know.
_CACHED = (("Cache-Control", "public, max-age=300"),)
_ALGORITHMS = ("RS256", "ES256", "EdDSA")
_CLAIMS = ("iss", "sub", "aud", "iat", "exp", "jti")


class IssuerView(View):
    """What a receiver needs to know of the issuer. There is no sign-in here: tasks get the tokens."""

    issuer: str
    jwks_uri: str
    response_types_supported: Sequence[str]
    subject_types_supported: Sequence[str]
    id_token_signing_alg_values_supported: Sequence[str]
    claims_supported: Sequence[str]


class TokenKeysView(View):
    """The public keys (RFC 7517). `kid` in the header of a token names its key."""

    keys: Sequence[Mapping[str, Any]]


_ISSUER = Operation(
    summary="The issuer of the tokens that tasks send.", answers={200: IssuerView}, problems=(404,)
)
_TOKEN_KEYS = Operation(summary="The public keys that verify these tokens.", answers={200: TokenKeysView})


class TokenKeyRoutes:
    """`GET /.well-known/openid-configuration` and `GET /.well-known/jwks.json`."""

    def __init__(self, published: PublishedKeys) -> None:
        self._published = published

    def add_to(self, routes: Routes) -> None:
        routes.get("/.well-known/openid-configuration", self.issuer, _ISSUER)
        routes.get(_KEYS, self.keys, _TOKEN_KEYS)

    async def issuer(self, _: web.Request) -> web.Response:
        issuer = self._published.issuer
        if issuer is None:
            raise refuse(404, "not_found", "no token is issued here: Fetch.issuer is not set")
        view = IssuerView(
            issuer=issuer,
            jwks_uri=f"{issuer}{_KEYS}",
            response_types_supported=("id_token",),
            subject_types_supported=("public",),
            id_token_signing_alg_values_supported=_ALGORITHMS,
            claims_supported=_CLAIMS,
        )
        return _answer(view)

    async def keys(self, _: web.Request) -> web.Response:
        return _answer(TokenKeysView(keys=self._published.keys))


def _answer(view: View) -> web.Response:
    """Unlike other answers, for caches."""
    response = raw_response(encode(view), 200, "application/json")
    response.headers.update(_CACHED)
    return response
