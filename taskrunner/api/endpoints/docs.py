"""The routes that describe the others: `GET /`, `GET /openapi.json` and, for people, `GET /docs`."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Literal

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.description.limit_schemas import Bounds, bounds_of
from taskrunner.api.description.openapi import document
from taskrunner.api.endpoints.console import ConsoleRoutes
from taskrunner.api.http.client_address import root_of
from taskrunner.api.http.page import WEB, HtmlPage, policy, wants_page
from taskrunner.api.http.parameters import FILE
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.requests import path_value
from taskrunner.api.http.responses import SERVER, json_response, raw_response
from taskrunner.api.routes import PREFIXES, Operation, Routes
from taskrunner.api.views.view import View
from taskrunner.domain.codec import encode
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.version import __version__

# Swagger UI sets no inline style and evaluates no text; its icons are data.
_VIEWER = policy(scripts="'self'", styles="'self'", images="data:")
_FILES: Mapping[str, tuple[str, str]] = {
    "viewer.js": ("viewer.js", "text/javascript"),
    "swagger-ui-bundle.js": ("vendor/swagger-ui/swagger-ui-bundle.js", "text/javascript"),
    "swagger-ui.css": ("vendor/swagger-ui/swagger-ui.css", "text/css"),
}


class IndexView(View):
    """What there is to ask for."""

    name: Literal["taskrunner"]
    version: str
    endpoints: Sequence[str]
    prefix: str


class DocsRoutes:
    """Describes the routes in `routes`, in the order in which they were added.

    `console` is the page that a browser gets at `/`, for applications that have all the routes it asks;
    `limits` are those of tasks, where an application takes some.
    """

    def __init__(
        self,
        routes: Routes,
        console: ConsoleRoutes | None = None,
        *,
        limits: Callable[[], TaskLimits] = TaskLimits,
    ) -> None:
        self._routes = routes
        self._console = console
        self._limits = limits
        # Made when first asked for, so that a start need not wait.
        self._document_below = lru_cache(maxsize=4)(self._document)

    def add_to(self, routes: Routes) -> None:
        routes.get("/", self.index, Operation(summary="All endpoints.", answers={200: IndexView}))
        routes.get(
            "/openapi.json",
            self.openapi,
            Operation(summary="This description, as OpenAPI.", answers={200: "application/json"}),
        )
        routes.get(
            "/docs",
            self.docs,
            Operation(summary="The API documentation as a web page.", answers={200: "text/html"}),
        )
        routes.get(
            "/docs/{file}",
            self.file,
            Operation(summary="A file of the documentation page.", answers={200: "*/*"}, problems=(404,)),
        )

    async def index(self, request: web.Request) -> web.Response:
        if self._console is not None and wants_page(request.headers.get("Accept", "")):
            return await self._console.page(request)
        return json_response(
            IndexView(
                name="taskrunner",
                version=__version__,
                endpoints=[f"{method} {path}" for method, path in self._routes.operations],
                prefix="/api/v1 may stand before each of them",
            )
        )

    async def openapi(self, request: web.Request) -> web.Response:
        return raw_response(
            self._document_below(root_of(request), bounds_of(self._limits())), 200, "application/json"
        )

    async def docs(self, _: web.Request) -> web.Response:
        return self._page.response()

    async def file(self, request: web.Request) -> web.StreamResponse:
        """Sent from the disk: the viewer is 2 MB, and few processes are ever asked for it."""
        name = path_value(request, FILE)
        if name not in _FILES:
            raise refuse(404, "not_found", f"there is nothing at {request.path}; GET / lists what there is")
        place, content_type = _FILES[name]
        headers = (
            ("Content-Type", f"{content_type}; charset=utf-8"),
            SERVER,
        )
        return web.FileResponse(WEB / place, headers=CIMultiDict(headers))

    def _document(self, root: str, bounds: Bounds) -> bytes:
        return encode(document(self._routes.operations, [root + prefix for prefix in PREFIXES], bounds))

    @cached_property
    def _page(self) -> HtmlPage:
        return HtmlPage("docs.html", _VIEWER)
