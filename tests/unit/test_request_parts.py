"""Where the bytes of a connection are cut: a request that ends with them goes to the parser whole."""

import pytest

from taskrunner.api.http.request_parts import RequestParts

HEAD = b"POST /tasks HTTP/1.1\r\nHost: x\r\n"
NEXT = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize("name", [b"Content-Length: ", b"content-length: ", b"Content-Length:"])
@pytest.mark.parametrize("body", [b"{}", b"", b'{"a": "\r\n\r\n"}'])
def test_a_request_that_ends_with_the_data_is_one_part(name: bytes, body: bytes) -> None:
    data = HEAD + name + str(len(body)).encode() + b"\r\n\r\n" + body
    assert RequestParts().end_of_part(data, 0) == len(data)


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
    assert RequestParts().end_of_part(head + rest, 0) == len(head)
