"""The routes that describe the others: `GET /openapi.json` for programs, `GET /docs` for people.

The page is plain HTML made from the document: no script, and nothing from elsewhere.
"""

import json
from collections.abc import Iterator
from functools import cached_property
from html import escape
from typing import Any

from aiohttp import web

from taskrunner.api.openapi import document
from taskrunner.api.operations import Operation
from taskrunner.api.page import hash_of
from taskrunner.api.responses import json_response, raw_response
from taskrunner.api.routes import PREFIXES, Routes

_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.45 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
h2 { font: 600 1rem ui-monospace, monospace; border-top: 1px solid; padding-top: 1rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; }
"""


class DocsRoutes:
    """Made from `routes` when somebody asks for the first time: a start need not wait for it."""

    def __init__(self, routes: Routes) -> None:
        self._routes = routes

    def add_to(self, routes: Routes) -> None:
        described = Operation(summary="This description, as OpenAPI.", answers={200: "application/json"})
        routes.get("/openapi.json", self.openapi, described)
        routes.get("/docs", self.docs, Operation(summary="The same to read.", answers={200: "text/html"}))

    async def openapi(self, _: web.Request) -> web.Response:
        return json_response(self._document)

    async def docs(self, _: web.Request) -> web.Response:
        headers = (("Content-Security-Policy", self._policy), ("X-Content-Type-Options", "nosniff"))
        return raw_response(self._page, 200, "text/html; charset=utf-8", headers)

    @cached_property
    def _document(self) -> dict[str, Any]:
        return document(self._routes.operations, PREFIXES)

    @cached_property
    def _page(self) -> bytes:
        return "".join(_html(self._document)).encode()

    @cached_property
    def _policy(self) -> str:
        return f"default-src 'none'; style-src {hash_of(_STYLE)}; base-uri 'none'; frame-ancestors 'none'"


def _html(described: dict[str, Any]) -> Iterator[str]:
    info = described["info"]
    yield f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{info["title"]}</title>'
    yield f"<style>{_STYLE}</style></head><body><h1>{info['title']} {info['version']}</h1>"
    yield "<p>Every path also under <code>/api/v1</code>; for programs: <code>/openapi.json</code></p>"
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            yield f"<h2>{method.upper()} {escape(path)}</h2><p>{escape(operation['summary'])}</p>"
            yield from _details("Parameters", operation.get("parameters"))
            yield from _details("Request", operation.get("requestBody"))
            yield from _details(f"Answers: {', '.join(operation['responses'])}", operation["responses"])
    yield "<h2>Shapes</h2>"
    for name, schema in described["components"]["schemas"].items():
        yield from _details(name, schema)
    yield "</body></html>"


def _details(title: str, content: object) -> Iterator[str]:
    if content:
        shown = escape(json.dumps(content, indent=2, ensure_ascii=False))
        yield f"<details><summary>{escape(title)}</summary><pre>{shown}</pre></details>"
