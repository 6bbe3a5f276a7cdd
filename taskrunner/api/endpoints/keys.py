"""The routes for API keys: create, list, revoke, rotate."""

from aiohttp import web

from taskrunner.api.auth.audited import change_of
from taskrunner.api.description.draft_schemas import merge_patch
from taskrunner.api.http.entity_tags import check_of, tagged_response
from taskrunner.api.http.parameters import API_KEY
from taskrunner.api.http.requests import path_value, prefix_of, read_json_body
from taskrunner.api.http.responses import json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.api_key import ApiKeyList, ApiKeyView, NewApiKeyView
from taskrunner.domain.keys.api_key_draft import ApiKeyDraft, KeyLimitPatch, Rotation
from taskrunner.producer.change_check import Check
from taskrunner.producer.key_admin import KeyAdmin
from taskrunner.stores.base import KnownKey

_MAX_REQUEST_BYTES = 16 * 1024
_JSON = "application/json"
_LIST = Operation(summary="All API keys, without their secrets.", answers={200: ApiKeyList}, problems=(503,))
_READ = Operation(summary="An API key, without its secret.", answers={200: ApiKeyView}, problems=(404, 503))
_CREATE = Operation(
    summary="Make an API key. The answer alone has its secret.",
    answers={201: NewApiKeyView},
    takes={_JSON: ApiKeyDraft},
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_LIMIT = Operation(
    summary="Change the limit of a key's requests: a JSON merge patch (RFC 7396) of rate and burst.",
    answers={200: ApiKeyView},
    takes=merge_patch(KeyLimitPatch),
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
    tagged=True,
)
_REVOKE = Operation(
    summary="Refuse a key from now on, for ever.",
    answers={200: ApiKeyView},
    problems=(404, 409, 503),
    tagged=True,
)
_ROTATE = Operation(
    summary="Give a key another secret.",
    answers={200: NewApiKeyView},
    takes={_JSON: Rotation},
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
    tagged=True,
)


class KeyRoutes:
    """`/keys`, `/keys/{key}`, its `revoke` and its `rotate`."""

    def __init__(self, keys: KeyAdmin, options: ApiSettings) -> None:
        self._keys = keys
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.get("/keys", self.list, _LIST)
        routes.post("/keys", self.create, _CREATE)
        routes.get("/keys/{key}", self.read, _READ)
        routes.patch("/keys/{key}", self.limit, _LIMIT)
        routes.post("/keys/{key}/revoke", self.revoke, _REVOKE)
        routes.post("/keys/{key}/rotate", self.rotate, _ROTATE)

    async def list(self, _: web.Request) -> web.Response:
        return json_response(ApiKeyList(keys=[ApiKeyView.of(known) for known in await self._keys.list()]))

    async def read(self, request: web.Request) -> web.Response:
        return json_response(ApiKeyView.of(await self._keys.get(path_value(request, API_KEY))))

    async def create(self, request: web.Request) -> web.Response:
        draft = ApiKeyDraft.from_json(await self._body(request))
        change_of(request).target = draft.name
        made = await self._keys.create(
            draft.name, tuple(draft.scopes), owner=draft.owner, expires_at=draft.expires_at, limit=draft
        )
        view = NewApiKeyView.of_key(made.key, secret=made.secret)
        location = ("Location", f"{prefix_of(request)}/keys/{view.name}")
        return json_response(view, status=201, headers=(location,))

    async def limit(self, request: web.Request) -> web.Response:
        patch = KeyLimitPatch.from_json(await self._body(request))
        name = path_value(request, API_KEY)
        return tagged_response(ApiKeyView.of(await self._keys.limit(name, patch, check=_check(request))))

    async def revoke(self, request: web.Request) -> web.Response:
        name = path_value(request, API_KEY)
        return tagged_response(ApiKeyView.of(await self._keys.revoke(name, check=_check(request))))

    async def rotate(self, request: web.Request) -> web.Response:
        rotation = Rotation.from_json(await self._body(request))
        name = path_value(request, API_KEY)
        made = await self._keys.rotate(name, grace=rotation.grace, check=_check(request))
        # Without an entity tag: this answer has the secret, so it is not what a read of the key answers.
        return json_response(NewApiKeyView.of_key(made.key, secret=made.secret))

    async def _body(self, request: web.Request) -> bytes:
        return await read_json_body(request, limit=_MAX_REQUEST_BYTES, timeout=self._options.request_timeout)


def _check(request: web.Request) -> Check[KnownKey]:
    return check_of(request, ApiKeyView.of)
