"""Where the bytes of a connection are cut: a request that ends with them goes to the parser whole."""

import asyncio

import pytest
from aiohttp.base_protocol import BaseProtocol
from aiohttp.http_parser import HttpRequestParser

from taskrunner.api.http.request_parts import RequestParts

HEAD = b"POST /tasks HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("name", [b"Content-Length: ", b"content-length: ", b"Content-Length:"])
@pytest.mark.parametrize("body", [b"{}", b"", b'{"a": "\r\n\r\n"}'])
def test_a_request_that_ends_with_the_data_is_whole(name: bytes, body: bytes) -> None:
    data = HEAD + name + str(len(body)).encode() + b"\r\n\r\n" + body
    assert RequestParts().is_whole_request(data)


@pytest.mark.parametrize(
    ("head", "rest"),
    [
        (HEAD + b"Content-Length: 2\r\n\r\n", b"{}" + NEXT),
        (HEAD + b"Content-Length: 2\r\n\r\n", b"{"),
        (HEAD + b"X-Content-Length: 2\r\n\r\n", b"{}"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"2\r\n{}\r\n0\r\n\r\n"),
        (HEAD + b"\r\n", b"Content-Length: 0\r\n\r\n"),
        (NEXT, b"no request\r\n\r\n"),
    ],
)
def test_otherwise_the_head_is_a_part_of_its_own(head: bytes, rest: bytes) -> None:
    """What follows may be the next request, which must not make the parser forget this one."""
    parts = RequestParts()
    assert not parts.is_whole_request(head + rest)
    assert parts.end_of_part(head + rest, 0) == len(head)


async def test_what_looks_like_a_request_within_a_body_is_none() -> None:
    """A body that comes in pieces may hold anything."""
    loop = asyncio.get_running_loop()
    parser = HttpRequestParser(BaseProtocol(loop), loop, 2**16)
    [(message, payload)], _, _ = parser.feed_data(HEAD + b"Content-Length: 999\r\n\r\n")
    parts = RequestParts()
    parts.begin(message, payload)
    assert not parts.is_whole_request(HEAD + b"Content-Length: 2\r\n\r\n{}")
