"""Responses: the few forms that our answers have."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.problems import CONTENT_TYPE, Problem
from taskrunner.api.resources import encode

_JSON = "application/json"
# Without one of our own, aiohttp tells everybody which versions run here.
_SERVER = ("Server", "taskrunner")


def json_response(
    resource: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """`resource` as JSON, not to be kept by caches: what we show changes and may be private."""
    return raw_response(encode(resource), status, _JSON, headers)


def empty_response() -> web.Response:
    """204: it is done, and there is nothing to say."""
    return web.Response(status=204, headers=CIMultiDict((("Cache-Control", "no-store"), _SERVER)))


def problem_response(problem: Problem) -> web.Response:
    """`problem` as the answer to a request."""
    return raw_response(problem.encode(), problem.status, CONTENT_TYPE, tuple(problem.headers.items()))


def raw_response(
    body: bytes, status: int, content_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """`body` as it is."""
    # Given as a header, the type is not parsed and rebuilt by aiohttp for each response.
    own = (("Content-Type", content_type), ("Cache-Control", "no-store"), _SERVER, *headers)
    return web.Response(body=body, status=status, headers=CIMultiDict(own))
