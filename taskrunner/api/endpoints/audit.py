"""The route for the audit: `GET /audit`."""

from aiohttp import web

from taskrunner.api.http.next_page import next_page
from taskrunner.api.http.parameters import AUDIT_PARAMETERS, CURSOR, LIMIT
from taskrunner.api.http.query import Query
from taskrunner.api.http.responses import json_response
from taskrunner.api.routes import Operation, Routes
from taskrunner.api.views.audit import AuditEntryView, AuditPage
from taskrunner.producer.audit_trail import AuditTrail

_LIST = Operation(
    summary="Who did what to how many, the newest first.",
    answers={200: AuditPage},
    parameters=(*AUDIT_PARAMETERS, LIMIT, CURSOR),
    problems=(400, 503),
)


class AuditRoutes:
    """`GET /audit`."""

    def __init__(self, trail: AuditTrail) -> None:
        self._trail = trail

    def add_to(self, routes: Routes) -> None:
        routes.get("/audit", self.list, _LIST)

    async def list(self, request: web.Request) -> web.Response:
        query = Query(request, _LIST.parameters)
        wanted, limit, cursor = query.audit(), query.get(LIMIT), query.get(CURSOR)
        query.refuse_if_wrong()
        page = await self._trail.list(wanted, limit=limit, cursor=cursor)
        entries = [AuditEntryView.of(entry) for entry in page.items]
        view = AuditPage(entries=entries, next_cursor=page.cursor)
        return json_response(view, headers=next_page(request, page.cursor))
