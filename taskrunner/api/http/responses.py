"""Responses: JSON, problems, bytes, and nothing."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.http.answer_headers import SECURITY
from taskrunner.api.http.bytes_response import BytesResponse
from taskrunner.api.http.problems import CONTENT_TYPE, Problem
from taskrunner.api.http.request_ids import REQUEST_ID
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


def problem_response(problem: Problem, request_id: str) -> web.Response:
    """`problem` as the answer to the request of that id."""
    response = raw_response(
        problem.encode(request_id), problem.status, CONTENT_TYPE, tuple(problem.headers.items())
    )
    response.set_status(problem.status, problem.title)
    response.headers[REQUEST_ID] = request_id
    response.headers.update(SECURITY)
    return response


def unasked_problem(problem: Problem, request_id: str) -> bytes:
    """`problem` as the last bytes of a connection, which need not have asked for anything."""
    body = problem.encode(request_id)
    fields = {
        REQUEST_ID: request_id,
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **SECURITY,
        **problem.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {problem.status} {problem.title}\r\n{head}\r\n".encode() + body


def raw_response(
    body: bytes, status: int, content_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """`body` as it is."""
    # Given as a header, the type is not parsed and rebuilt by aiohttp for each response.
    own = (("Content-Type", content_type), ("Cache-Control", "no-store"), SERVER, *headers)
    return BytesResponse(body=body, status=status, headers=CIMultiDict(own))
