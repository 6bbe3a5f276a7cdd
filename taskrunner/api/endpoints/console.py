"""The files of the console: its page at `/` and `/admin_page.html`, and all that the page loads.

Files are served under a hash of all of them, so that browsers keep them for ever and an update is complete.
"""

import hashlib
from collections.abc import Mapping
from functools import cached_property

from aiohttp import web

from taskrunner.api.http.page import WEB, HtmlPage, policy
from taskrunner.api.http.parameters import CONSOLE_PATH
from taskrunner.api.http.problems import refuse
from taskrunner.api.http.requests import path_value
from taskrunner.api.http.responses import raw_response
from taskrunner.api.routes import Operation, Routes

# Pictures that a target has sent are shown from memory; they cannot run anything in an <img>. No text becomes
# markup: https://www.w3.org/TR/trusted-types/.
CONSOLE_POLICY = (
    policy(scripts="'self'", styles="'self'", images="'self' data: blob:")
    + "; trusted-types 'none'; require-trusted-types-for 'script'"
)
_TYPES = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
_PLACEHOLDER = "console/VERSION/"
# RFC 8246: a file under the hash of its content never changes.
_FOR_EVER = "public, max-age=31536000, immutable"


class ConsoleRoutes:
    """Reads its files when it is first asked for one."""

    def add_to(self, routes: Routes) -> None:
        routes.get(
            "/admin_page.html", self.page, Operation(summary="The console.", answers={200: "text/html"})
        )
        routes.get(
            "/console/{path}",
            self.file,
            Operation(summary="A file of the console.", answers={200: "*/*"}, problems=(404,)),
        )

    async def page(self, _: web.Request) -> web.Response:
        return self._page.response()

    async def file(self, request: web.Request) -> web.Response:
        """`HASH/name`. A page that was loaded before an update gets the files of now, and keeps none."""
        version, _, name = path_value(request, CONSOLE_PATH).partition("/")
        content = self._files.get(name)
        if content is None:
            raise refuse(404, "not_found", f"there is nothing at {request.path}; GET / lists what there is")
        content_type = _TYPES[name.rpartition(".")[2]]
        response = raw_response(content, 200, f"{content_type}; charset=utf-8")
        if version == self._version:
            response.headers["Cache-Control"] = _FOR_EVER
        return response

    @cached_property
    def _files(self) -> Mapping[str, bytes]:
        root = WEB / "console"
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.suffix.removeprefix(".") in _TYPES
        }

    @cached_property
    def _version(self) -> str:
        digest = hashlib.sha256()
        for name, content in self._files.items():
            digest.update(b"%b %d\n%b" % (name.encode(), len(content), content))
        return digest.hexdigest()[:16]

    @cached_property
    def _page(self) -> HtmlPage:
        return HtmlPage("console/index.html", CONSOLE_POLICY, {_PLACEHOLDER: f"console/{self._version}/"})
