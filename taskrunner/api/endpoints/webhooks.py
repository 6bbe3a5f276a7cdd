"""The routes for webhooks: create, list, read, change, delete."""

from functools import partial

from aiohttp import web

from taskrunner.api.auth.access import caller_of
from taskrunner.api.auth.audited import change_of
from taskrunner.api.description.draft_schemas import merge_patch
from taskrunner.api.http.entity_tags import check_of
from taskrunner.api.http.parameters import WEBHOOK
from taskrunner.api.http.requests import path_value, read_json_body
from taskrunner.api.http.responses import empty_response, json_response
from taskrunner.api.http.settings import ApiSettings
from taskrunner.api.named_resource import NamedResource
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.webhook import WebhookList, WebhookView
from taskrunner.domain.errors import WebhookInvalid, WebhookUnknown
from taskrunner.domain.resource_name import check_resource_name
from taskrunner.domain.webhooks.webhook import Webhook
from taskrunner.domain.webhooks.webhook_draft import WebhookDraft
from taskrunner.producer.change_check import Check
from taskrunner.producer.webhook_admin import WebhookAdmin

_JSON = "application/json"
_RESOURCE = NamedResource(
    path="/webhooks",
    described="A webhook",
    draft=WebhookDraft,
    invalid=WebhookInvalid,
    check_name=check_resource_name,
)
_MAX_REQUEST_BYTES = 32 * 1024
_CREATE = Operation(
    summary="Be told of the ends, or other changes, of all tasks that match a filter.",
    answers={201: WebhookView},
    takes={_JSON: _RESOURCE.new},
    problems=(400, 408, 409, 413, 415, 422, 503),
)
_LIST = Operation(summary="All webhooks, by name.", answers={200: WebhookList}, problems=(503,))
_READ = Operation(summary="A webhook.", answers={200: WebhookView}, problems=(404, 503))
_PUT = Operation(
    summary="Create a webhook of this name, or replace it.",
    answers={200: WebhookView, 201: WebhookView},
    takes={_JSON: _RESOURCE.fields},
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
    tagged=True,
)
_PATCH = Operation(
    summary="Change what a JSON merge patch (RFC 7396) names, and keep the rest; null removes a field.",
    answers={200: WebhookView},
    takes=merge_patch(_RESOURCE.patch),
    problems=(400, 404, 408, 409, 413, 415, 422, 503),
    tagged=True,
)
_DELETE = Operation(
    summary="Remove a webhook; its reports that are on their way go on.",
    answers={204: None},
    problems=(404, 409, 503),
    tagged=True,
)


class WebhookRoutes:
    """`POST /webhooks`, `GET /webhooks`, and the methods of `/webhooks/{webhook}`."""

    def __init__(self, webhooks: WebhookAdmin, options: ApiSettings) -> None:
        self._webhooks = webhooks
        self._options = options

    def add_to(self, routes: Routes) -> None:
        routes.post("/webhooks", self.create, _CREATE)
        routes.get("/webhooks", self.list, _LIST)
        routes.get("/webhooks/{webhook}", self.read, _READ)
        routes.put("/webhooks/{webhook}", self.put, _PUT)
        routes.patch("/webhooks/{webhook}", self.patch, _PATCH)
        routes.delete("/webhooks/{webhook}", self.delete, _DELETE)

    async def create(self, request: web.Request) -> web.Response:
        draft, caller = await self._draft(request), caller_of(request)
        name = change_of(request).target = caller.stored(_RESOURCE.name_in_body(draft))
        webhook = await self._webhooks.create(name, draft, caller.submitter)
        return _answer(request, webhook, status=201)

    async def list(self, request: web.Request) -> web.Response:
        found = await self._webhooks.list(caller_of(request).namespace)
        return json_response(WebhookList(webhooks=[_view(request, each) for each in found]))

    async def read(self, request: web.Request) -> web.Response:
        return _answer(request, await self._webhooks.get(_stored_name(request)))

    async def put(self, request: web.Request) -> web.Response:
        """201 for a new webhook, 200 for a changed one."""
        given = request.match_info[WEBHOOK.name]
        try:
            stored = _stored_name(request)
        except WebhookUnknown:
            # A PUT creates the webhook, so a bad name is answered with the rule for names.
            _RESOURCE.new_name(given)
            raise
        draft = await self._draft(request)
        _RESOURCE.refuse_other_name(draft, given)
        submitter = caller_of(request).submitter
        webhook, is_new = await self._webhooks.put(stored, draft, submitter, check=_check(request))
        return _answer(request, webhook, status=201 if is_new else 200)

    async def patch(self, request: web.Request) -> web.Response:
        name, raw = _stored_name(request), await self._body(request)
        return _answer(request, await self._webhooks.patch(name, raw, check=_check(request)))

    async def delete(self, request: web.Request) -> web.Response:
        await self._webhooks.delete(_stored_name(request), check=_check(request))
        return empty_response()

    async def _draft(self, request: web.Request) -> WebhookDraft:
        return WebhookDraft.from_json(await self._body(request), self._webhooks.limits)

    async def _body(self, request: web.Request) -> bytes:
        return await read_json_body(request, limit=_MAX_REQUEST_BYTES, timeout=self._options.request_timeout)


def _check(request: web.Request) -> Check[Webhook]:
    return check_of(request, partial(_view, request))


def _stored_name(request: web.Request) -> str:
    """The name in the path, as the store has it."""
    return caller_of(request).stored(path_value(request, WEBHOOK))


def _view(request: web.Request, webhook: Webhook) -> WebhookView:
    return WebhookView.of(webhook, known_as=caller_of(request).shown(webhook.name))


def _answer(request: web.Request, webhook: Webhook, *, status: int = 200) -> web.Response:
    return _RESOURCE.answer(request, _view(request, webhook), status=status)
