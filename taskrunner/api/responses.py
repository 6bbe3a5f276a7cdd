"""Responses: JSON, problems, bytes, and nothing."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.problems import CONTENT_TYPE, Problem
from taskrunner.domain.codec import encode

_JSON = "application/json"
# Without one of our own, aiohttp tells everybody which versions run here.
SERVER = ("Server", "taskrunner")


def json_response(view: Any, *, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> web.Response:
    """`view` as JSON, not to be kept by caches: it changes and may be private."""
    return raw_response(encode(view), status, _JSON, headers)


def empty_response() -> web.Response:
    """204."""
    return web.Response(status=204, headers=CIMultiDict((("Cache-Control", "no-store"), SERVER)))


def problem_response(problem: Problem) -> web.Response:
    """`problem` as the answer to a request."""
    return raw_response(problem.encode(), problem.status, CONTENT_TYPE, tuple(problem.headers.items()))


def raw_response(
    body: bytes, status: int, content_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """`body` as it is."""
    # Given as a header, the type is not parsed and rebuilt by aiohttp for each response.
    own = (("Content-Type", content_type), ("Cache-Control", "no-store"), SERVER, *headers)
    return web.Response(body=body, status=status, headers=CIMultiDict(own))
