"""Reading requests: paths, headers, and bodies within their bounds."""

import asyncio
import base64
import binascii
from collections.abc import Collection
from typing import TypeVar

from aiohttp import web

from taskrunner.api.http.client_address import root_of
from taskrunner.api.http.parameters import Parameter
from taskrunner.api.http.problems import Problem, RequestRefused, refuse
from taskrunner.api.http.request_codings import CODINGS, DecodedTooLarge, decode_body
from taskrunner.domain.errors import FieldError
from taskrunner.domain.messages import shown

Type = TypeVar("Type")

_PREFIX = "/api/v1"
# What clients send that always send JSON; with blanks around it, it is no longer than this.
_SAY_NOTHING = (b"", b"{}")
_MAX_EMPTY_BYTES = 64
# Seconds in which a body that says nothing has arrived.
_EMPTY_BODY_TIMEOUT = 5.0


def prefix_of(request: web.Request) -> str:
    """What stands before the path in links: that of the public URL, and `/api/v1` if the request has it."""
    return root_of(request) + (_PREFIX if request.path.startswith(_PREFIX) else "")


def path_value(request: web.Request, parameter: Parameter[Type]) -> Type:
    """A part of the path. Raises the error of `parameter` for what nothing can be called."""
    return parameter.read(request.match_info[parameter.name])


def header_value(request: web.Request, parameter: Parameter[Type]) -> Type:
    """A header; its default when it is missing. Raises `RequestRefused`."""
    given = request.headers.get(parameter.name)
    if given is None:
        return parameter.default
    try:
        return parameter.read(given)
    except ValueError as exc:
        problem = FieldError(field=parameter.name, message=str(exc))
        raise refuse(400, "bad_header", str(problem), [problem]) from exc


async def read_json_body(
    request: web.Request, *, limit: int, timeout: float, also: Collection[str] = ()
) -> bytes:
    """The body's bytes. Raises `RequestRefused` for another media type, too many bytes or a slow sender.

    `also`: further media types that are accepted.
    """
    _check_media_type(request, also)
    coding = _coding(request)
    if request.content.is_eof():
        raw = _arrived(request, limit)
    else:
        length = request.content_length
        if length is not None and length > limit:
            raise _too_large(limit)
        try:
            async with asyncio.timeout(timeout):
                raw = await _read(request, limit)
        except TimeoutError as exc:
            raise _too_slow(timeout) from exc
    return raw if coding == "identity" else await _decoded(raw, coding, limit)


async def refuse_body(request: web.Request) -> None:
    """For a route that takes none. Raises `RequestRefused`, unless the body says nothing, as `{}` does."""
    start = bytearray()
    try:
        async with asyncio.timeout(_EMPTY_BODY_TIMEOUT):
            while len(start) <= _MAX_EMPTY_BYTES and (chunk := await request.content.readany()):
                start += chunk
    except TimeoutError as exc:
        raise _too_slow(_EMPTY_BODY_TIMEOUT) from exc
    except web.RequestPayloadError as exc:
        raise _cut() from exc
    if len(start) > _MAX_EMPTY_BYTES or start.strip() not in _SAY_NOTHING:
        raise refuse(400, "bad_request", "the body: none is taken here; see the parameters on /docs")


async def _decoded(raw: bytes, coding: str, limit: int) -> bytes:
    try:
        return await asyncio.to_thread(decode_body, raw, coding, limit)
    except DecodedTooLarge as exc:
        raise _too_large(limit) from exc
    except ValueError as exc:
        raise refuse(400, "bad_request", f"the body {exc}") from exc


def _too_slow(timeout: float) -> Exception:
    return refuse(408, "request_timeout", f"the body was not complete within {timeout:g} s")


def _too_large(limit: int) -> Exception:
    """The refusal of a body of more than `limit` bytes."""
    return refuse(413, "body_too_large", f"the body is larger than {limit} bytes")


def _arrived(request: web.Request, limit: int) -> bytes:
    """A body that is complete."""
    try:
        body = request.content.read_nowait()
    except web.RequestPayloadError as exc:
        raise _cut() from exc
    if len(body) > limit:
        raise _too_large(limit)
    return body


async def _read(request: web.Request, limit: int) -> bytes:
    try:
        body = bytearray()
        while chunk := await request.content.readany():
            body += chunk
            if len(body) > limit:
                raise _too_large(limit)
        return bytes(body)
    except web.RequestPayloadError as exc:
        raise _cut() from exc


def _cut() -> Exception:
    return refuse(400, "bad_request", "the body breaks the rules of its transfer coding or was cut short")


def _check_media_type(request: web.Request, also: Collection[str]) -> None:
    given = request.headers.get("Content-Type")
    if given == "application/json":
        return
    if given is None:
        return
    media_type = given.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json") and media_type not in also:
        raise refuse(
            415,
            "unsupported_media_type",
            f"send JSON with Content-Type: application/json, not {shown(given)}; "
            "curl -d needs -H 'Content-Type: application/json', or use curl --json",
        )


def _coding(request: web.Request) -> str:
    """RFC 9110 15.5.16: the refusal of an unknown coding lists the known ones."""
    given = request.headers.get("Content-Encoding")
    if given is None:
        return "identity"
    coding = given.strip().lower()
    if coding not in CODINGS:
        raise RequestRefused(
            Problem(
                status=415,
                code="unsupported_media_type",
                detail=f"Content-Encoding: cannot decode {shown(coding)}; send one of {', '.join(CODINGS)}",
                headers={"Accept-Encoding": ", ".join(CODINGS)},
            )
        )
    return coding


def secret_in(authorization: str) -> str | None:
    """The key in an `Authorization` header; None where there is none."""
    scheme, _, credentials = authorization.strip().partition(" ")
    credentials = credentials.strip()
    if scheme.lower() == "bearer":
        return credentials or None
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = base64.b64decode(credentials, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return password or None
