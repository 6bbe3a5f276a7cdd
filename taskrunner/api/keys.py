"""The routes for API keys: create, list, revoke, rotate."""

from aiohttp import web

from taskrunner.api.audited import change_of
from taskrunner.api.draft_schemas import merge_patch
from taskrunner.api.parameters import API_KEY
from taskrunner.api.requests import path_value, prefix_of, read_json_body
from taskrunner.api.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.settings import ApiSettings
from taskrunner.api.views.api_key import ApiKeyList, ApiKeyView, NewApiKeyView
from taskrunner.domain.api_key_draft import ApiKeyDraft, KeyLimitPatch, Rotation
from taskrunner.producer.key_admin import KeyAdmin

_MAX_REQUEST_BYTES = 16 * 1024
_JSON = "application/json"
_LIST = Operation(summary="All API keys, without their secrets.", answers={200: ApiKeyList}, problems=(503,))
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
)
_REVOKE = Operation(
    summary="Refuse a key from now on, for ever.", answers={200: ApiKeyView}, problems=(404, 409, 503)
)
_ROTATE = Operation(
    summary="Give a key another secret.",
    answers={200: NewApiKeyView},
    takes={_JSON: Rotation},
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
)


class KeyRoutes:
    """`GET /keys`, `POST /keys`, `PATCH /keys/{key}`, `/keys/{key}/revoke` and `/keys/{key}/rotate`."""

    def __init__(self, keys: KeyAdmin, options: ApiSettings) -> None:
        self._keys = keys
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.get("/keys", self.list, _LIST)
        routes.post("/keys", self.create, _CREATE)
        routes.patch("/keys/{key}", self.limit, _LIMIT)
        routes.post("/keys/{key}/revoke", self.revoke, _REVOKE)
        routes.post("/keys/{key}/rotate", self.rotate, _ROTATE)

    async def list(self, _: web.Request) -> web.Response:
        return json_response(ApiKeyList(keys=[ApiKeyView.of(known) for known in await self._keys.list()]))

    async def create(self, request: web.Request) -> web.Response:
        draft = ApiKeyDraft.from_json(await self._body(request))
        change_of(request).target = draft.name
        made = await self._keys.create(
            draft.name, tuple(draft.scopes), owner=draft.owner, expires_at=draft.expires_at, limit=draft
        )
        view = NewApiKeyView.of_key(made.key, secret=made.secret)
        return json_response(view, status=201, headers=(("Location", f"{prefix_of(request)}/keys"),))

    async def limit(self, request: web.Request) -> web.Response:
        patch = KeyLimitPatch.from_json(await self._body(request))
        return json_response(ApiKeyView.of_key(await self._keys.limit(path_value(request, API_KEY), patch)))

    async def revoke(self, request: web.Request) -> web.Response:
        return json_response(ApiKeyView.of_key(await self._keys.revoke(path_value(request, API_KEY))))

    async def rotate(self, request: web.Request) -> web.Response:
        rotation = Rotation.from_json(await self._body(request))
        made = await self._keys.rotate(path_value(request, API_KEY), grace=rotation.grace)
        return json_response(NewApiKeyView.of_key(made.key, secret=made.secret))

    async def _body(self, request: web.Request) -> bytes:
        return await read_json_body(request, limit=_MAX_REQUEST_BYTES, timeout=self._options.request_timeout)
