"""Request ids: each request has one, which stands in its answer, in problems, in the log and in the audit.

Only the server calls `begin_request`. A client gives an id as `X-Request-Id`, to find its own requests again;
an id that is not 1 to 128 visible ASCII characters, or one of several, is replaced, since it goes to the log.
"""

import re
from collections.abc import Sequence

import uuid_utils
from aiohttp import web

# The header.
REQUEST_ID = "X-Request-Id"
_KEY = web.RequestKey("request_id", str)
# RFC 5234 appendix B.1: VCHAR.
_FIT = re.compile(r"[\x21-\x7e]{1,128}")


def new_request_id() -> str:
    """A UUIDv7 (RFC 9562), so that ids sort by time."""
    return str(uuid_utils.uuid7())


def begin_request(request: web.BaseRequest) -> str:
    """Take the id that the client gave, or make one."""
    given = request.headers
    request_id = request[_KEY] = (
        fit_request_id(given.getall(REQUEST_ID)) if REQUEST_ID in given else new_request_id()
    )
    return request_id


def fit_request_id(given: Sequence[str]) -> str:
    """The id among those that a client gave, or a new one."""
    is_fit = len(given) == 1 and _FIT.fullmatch(given[0]) is not None
    return given[0] if is_fit else new_request_id()


def request_id_of(request: web.BaseRequest) -> str:
    """The id of a request that the server has begun."""
    return request[_KEY]
