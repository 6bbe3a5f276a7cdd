"""Content codings of answers (RFC 9110 12.5.3): which one a client gets, and the coded bytes."""

import asyncio
import gzip
from collections.abc import Callable, Mapping

from aiohttp import web

from taskrunner.api.http.accept import weights
from taskrunner.api.http.bytes_response import BytesResponse
from taskrunner.runtime.zstd_coding import zstd

# Below this a client gains less than the compression costs.
_CODED_FROM_BYTES = 4096
# Coding more takes longer than the loop's other clients should wait: 1 ms with gzip.
_LARGE_BYTES = 32 * 1024
# Without a time in it, so that equal contents are equal bytes, as a strong entity tag promises.
_CODINGS: Mapping[str, Callable[[bytes], bytes]] = {
    "zstd": lambda content: zstd.compress(content, 3),
    "gzip": lambda content: gzip.compress(content, 6, mtime=0),
}
# The endings of the entity tags of coded answers, of which each coding has its own.
SUFFIXES = tuple(f"-{coding}" for coding in _CODINGS)


def coding_for(request: web.BaseRequest, response: web.StreamResponse) -> str | None:
    """The coding of an answer to this request; None for none, as of streams and bytes that are no text."""
    if not isinstance(response, BytesResponse) or not _is_text(response.content_type):
        return None
    accepted = ",".join(request.headers.getall("Accept-Encoding", ()))
    return chosen_coding(accepted, response.content_length or 0) if accepted else None


def chosen_coding(accepted: str, size_bytes: int) -> str | None:
    """The accepted coding of the highest weight. zstd is for who names it: `*` is older than zstd."""
    given = weights(accepted)
    anything = given.get("*", 0.0)
    found = {
        "zstd": given.get("zstd", 0.0),
        "gzip": given.get("gzip", given.get("x-gzip", anything)),
    }
    coding = max(found, key=lambda name: found[name])
    # Unless it is refused, no coding is always acceptable; unnamed, it is the last choice.
    plain = given.get("identity", 0.0 if given.get("*") == 0 else None)
    if not found[coding] or (plain is not None and plain > found[coding]):
        return None
    return coding if size_bytes >= _CODED_FROM_BYTES or plain == 0 else None


async def encode_content(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Code an answer as its client accepts it."""
    if not isinstance(response, BytesResponse) or response.status == 304:
        return
    body = response.body
    is_small = body is None or (isinstance(body, bytes) and len(body) < _CODED_FROM_BYTES)
    if is_small and "Accept-Encoding" not in request.headers:
        return
    coding = coding_for(request, response)
    tell_choice(response, coding)
    if coding is None or not isinstance(body, bytes):
        return
    encode = _CODINGS[coding]
    response.body = await asyncio.to_thread(encode, body) if len(body) > _LARGE_BYTES else encode(body)
    response.headers["Content-Encoding"] = coding
    # RFC 9110 8.8.3.3: other bytes need another strong tag.
    if tag := response.headers.get("ETag"):
        response.headers["ETag"] = tag_of_coded(tag, coding)


def tell_choice(response: web.Response, coding: str | None) -> None:
    """Tell caches that another client may get this answer in another coding (RFC 9110 12.5.5)."""
    is_large = (response.content_length or 0) >= _CODED_FROM_BYTES
    if coding is not None or (is_large and _is_text(response.content_type)):
        response.headers.add("Vary", "Accept-Encoding")


def tag_of_coded(tag: str, coding: str | None) -> str:
    """The entity tag of an answer in a coding, from that of the same answer in none."""
    return tag if coding is None else f'{tag[:-1]}-{coding}"'


def _is_text(content_type: str) -> bool:
    return (
        content_type.startswith("text/")
        or content_type == "application/json"
        or content_type.endswith("+json")
    )
