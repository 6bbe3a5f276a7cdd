"""Behaviours of HTTP/2 servers, good and hostile, one function each, over TLS that agreed on h2."""

import gzip

from tests.tools.hostile import Peer
from tests.tools.http2 import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    HTTP_1_1_REQUIRED,
    INTERNAL_ERROR,
    PING,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    STATUS_200,
    Http2Peer,
    frame,
    literal,
)

_MANY = 10_000_000


def answer(peer: Peer) -> None:
    """A well-behaved server, for comparison."""
    talk = Http2Peer(peer)
    while True:
        talk.answer(talk.read(), b"hello")


def h2_echo(peer: Peer) -> None:
    """Answers with the size of the request's body, without a length but with trailers."""
    talk = Http2Peer(peer)
    while True:
        stream = talk.read()
        talk.head(stream)
        talk.data(stream, str(len(peer.ledger.requests[-1].body)).encode())
        talk.trailers(stream, [("x-trailer", "yes")])


# Time


def h2_no_settings(peer: Peer) -> None:
    peer.hold()


def h2_never_answers(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.read()
    talk.wait_for_close()


def h2_body_drip(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream)
    for _ in range(_MANY):
        talk.data(stream, b"x")
        peer.rest(0.1)


def h2_stands_still(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream, headers=(("content-length", "10"),))
    talk.data(stream, b"hello")
    talk.wait_for_close()


def h2_no_window(peer: Peer) -> None:
    """Grants no window for a request's body."""
    talk = Http2Peer(peer, settings={4: 0})
    talk.wait_for_close()


def h2_flood_of_pings(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.read()
    while True:
        talk.send(frame(PING, 0, 0, b"12345678") * 2000)


def h2_flood_of_settings(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.read()
    while True:
        talk.send(frame(SETTINGS, 0, 0) * 2000)


def h2_flood_of_empty_frames(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream)
    while True:
        talk.send(frame(DATA, 0, stream) * 1000)


def h2_flood_of_100(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    while True:
        talk.send(frame(HEADERS, END_HEADERS, stream, literal(b":status", b"100")) * 100)


# Size


def h2_endless(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream)
    for _ in range(_MANY):
        talk.data(stream, b"x" * 16_384)


def h2_gzip_bomb(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream, headers=(("content-encoding", "gzip"),))
    talk.data(stream, gzip.compress(bytes(30_000_000)), end=True)
    talk.wait_for_close()


def h2_many_headers(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream, headers=tuple((f"x-{number}", "y") for number in range(1000)))
    talk.data(stream, b"", end=True)
    talk.wait_for_close()


def h2_large_headers(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream, headers=tuple((f"x-{number}", "y" * 2000) for number in range(45)))
    talk.data(stream, b"", end=True)
    talk.wait_for_close()


def h2_header_bomb(peer: Peer) -> None:
    """HPACK: one large field is indexed and then referred to 16,000 times, with a byte each."""
    talk = Http2Peer(peer)
    stream = talk.read()
    kept = b"\x40\x03x-b\x7f\x81\x1e" + b"y" * 4000
    talk.send(frame(HEADERS, 0, stream, STATUS_200 + kept))
    talk.send(frame(CONTINUATION, END_HEADERS, stream, b"\xbe" * 16_000))
    talk.wait_for_close()


def h2_endless_continuation(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.send(frame(HEADERS, 0, stream, STATUS_200))
    for number in range(_MANY):
        talk.send(frame(CONTINUATION, 0, stream, literal(b"x-%d" % number, b"y" * 1000)))


# Framing


def h2_reset(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.send(frame(RST_STREAM, 0, talk.read(), bytes((0, 0, 0, INTERNAL_ERROR))))
    talk.wait_for_close()


def h2_reset_in_body(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream)
    talk.data(stream, b"hello")
    talk.send(frame(RST_STREAM, 0, stream, bytes((0, 0, 0, INTERNAL_ERROR))))
    talk.wait_for_close()


def h2_refuses_streams(peer: Peer) -> None:
    talk = Http2Peer(peer)
    while True:
        talk.send(frame(RST_STREAM, 0, talk.read(), bytes((0, 0, 0, REFUSED_STREAM))))


def h2_wants_http_1(peer: Peer) -> None:
    """Asks for HTTP/1.1, and does not speak that either."""
    talk = Http2Peer(peer)
    talk.send(frame(RST_STREAM, 0, talk.read(), bytes((0, 0, 0, HTTP_1_1_REQUIRED))))
    talk.wait_for_close()


def h2_goes_away(peer: Peer) -> None:
    """Sends GOAWAY before it has taken any request, each time."""
    talk = Http2Peer(peer)
    talk.read()
    talk.send(frame(GOAWAY, 0, 0, bytes(8)))


def h2_goes_away_in_body(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream, headers=(("content-length", "10"),))
    talk.data(stream, b"hello")
    talk.send(frame(GOAWAY, 0, 0, bytes((0, 0, 0, stream, 0, 0, 0, PROTOCOL_ERROR))))


def h2_closes_in_body(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream)
    talk.data(stream, b"hello")


def h2_closes(peer: Peer) -> None:
    Http2Peer(peer).read()


def h2_short_body(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream, headers=(("content-length", "10"),))
    talk.send(frame(DATA, END_STREAM, stream, b"hello"))
    talk.wait_for_close()


def h2_long_body(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.head(stream, headers=(("content-length", "5"),))
    talk.send(frame(DATA, END_STREAM, stream, b"hello, you"))
    talk.wait_for_close()


def h2_no_head(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.send(frame(DATA, END_STREAM, talk.read(), b"hello"))
    talk.wait_for_close()


def h2_no_status(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, literal(b"server", b"x")))
    talk.wait_for_close()


def h2_upper_case(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    talk.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200 + literal(b"Server", b"x")))
    talk.wait_for_close()


def h2_line_break_in_value(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    field = literal(b"x-a", b"b\r\nset-cookie: c=d")
    talk.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, STATUS_200 + field))
    talk.wait_for_close()


def h2_garbage(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.read()
    talk.send(b"secret-banner " * 1000)
    talk.wait_for_close()


def h2_bad_hpack(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.send(frame(HEADERS, END_HEADERS | END_STREAM, talk.read(), b"\xff\xff\xff\xff"))
    talk.wait_for_close()


def h2_huge_frame(peer: Peer) -> None:
    talk = Http2Peer(peer)
    talk.send(frame(DATA, 0, talk.read(), b"x" * 1000, claimed=(1 << 24) - 1))
    talk.wait_for_close()


def h2_push(peer: Peer) -> None:
    talk = Http2Peer(peer)
    stream = talk.read()
    promised = b"\x00\x00\x00\x02\x82\x87\x84" + literal(b":authority", b"localhost")
    talk.send(frame(PUSH_PROMISE, END_HEADERS, stream, promised))
    talk.wait_for_close()


def h2_http_1(peer: Peer) -> None:
    """Agrees on h2 and then answers in HTTP/1.1."""
    peer.sock.recv(1000)
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
    peer.wait_for_close()


def h2_early_answer(peer: Peer) -> None:
    """Answers before the body has arrived, and refuses the rest of it (RFC 9113 section 8.1)."""
    talk = Http2Peer(peer)
    stream = talk.read_head()
    talk.answer(stream, b"too much", status=413)
    talk.send(frame(RST_STREAM, 0, stream, bytes(4)))
    talk.wait_for_close()
