"""Responses: JSON, problems, bytes, and nothing."""

from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from taskrunner.api.problems import CONTENT_TYPE, Problem
from taskrunner.api.request_ids import REQUEST_ID
from taskrunner.domain.codec import encode

_JSON = "application/json"
# Without one of our own, aiohttp tells everybody which versions run here.
SERVER = ("Server", "taskrunner")
# At the end of the entity tag of a compressed answer.
GZIP_SUFFIX = "-gzip"
NO_SNIFF = ("X-Content-Type-Options", "nosniff")
# Below this a client gains less than the compression costs.
_COMPRESSED_FROM_BYTES = 4096


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
    return response


def unasked_problem(problem: Problem, request_id: str) -> bytes:
    """`problem` as the last bytes of a connection, which need not have asked for anything."""
    body = problem.encode(request_id)
    fields = {
        REQUEST_ID: request_id,
        "Content-Type": CONTENT_TYPE,
        "Content-Length": str(len(body)),
        "Connection": "close",
        **problem.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {problem.status} {problem.title}\r\n{head}\r\n".encode() + body


def raw_response(
    body: bytes, status: int, content_type: str, headers: tuple[tuple[str, str], ...] = ()
) -> web.Response:
    """`body` as it is."""
    # Given as a header, the type is not parsed and rebuilt by aiohttp for each response.
    own = (("Content-Type", content_type), ("Cache-Control", "no-store"), NO_SNIFF, SERVER, *headers)
    return web.Response(body=body, status=status, headers=CIMultiDict(own))


def compress_if_asked(response: web.StreamResponse, accepted: str | None) -> None:
    """Compress a large text for a client whose `Accept-Encoding` allows gzip (RFC 9110 12.5.3)."""
    if type(response) is not web.Response or (response.content_length or 0) < _COMPRESSED_FROM_BYTES:
        return
    if response.content_type not in {_JSON, CONTENT_TYPE} and not response.content_type.startswith("text/"):
        return
    response.headers.add("Vary", "Accept-Encoding")
    if accepted and _weight_of_gzip(accepted) > 0:
        response.enable_compression(web.ContentCoding.gzip)
        # RFC 9110 8.8.3.3: other bytes need another strong tag.
        if tag := response.headers.get("ETag"):
            response.headers["ETag"] = f'{tag[:-1]}{GZIP_SUFFIX}"'


def _weight_of_gzip(accepted: str) -> float:
    weights: dict[str, float] = {}
    for part in accepted.lower().split(","):
        coding, _, parameter = part.partition(";")
        name, _, weight = parameter.partition("=")
        try:
            weights[coding.strip()] = float(weight) if name.strip() == "q" else 1.0
        except ValueError:
            weights[coding.strip()] = 0.0
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
