"""Responses: the few forms that our answers have."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.problems import CONTENT_TYPE, Problem
from taskrunner.api.resources import encode

_JSON = "application/json"


def json_response(
    resource: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """`resource` as JSON, not to be kept by caches: what we show changes and may be private."""
    return _response(encode(resource), status, _JSON, headers)


def problem_response(problem: Problem) -> web.Response:
    """`problem` as the answer to a request."""
    return _response(problem.encode(), problem.status, CONTENT_TYPE, tuple(problem.headers.items()))


def _response(
    body: bytes, status: int, content_type: str, headers: tuple[tuple[str, str], ...]
) -> web.Response:
    # Given as a header, the type is not parsed and rebuilt by aiohttp for each response.
    own = (("Content-Type", content_type), ("Cache-Control", "no-store"), *headers)
    return web.Response(body=body, status=status, headers=CIMultiDict(own))
