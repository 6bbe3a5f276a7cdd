"""Behaviours of hostile servers, one function each. `cases` lists them by name."""

import gzip
import select
import socket
import ssl
from collections.abc import Callable
from functools import cache

from tests.tools.encoders import ENCODERS
from tests.tools.hostile import Behaviour, Peer

OK = b"HTTP/1.1 200 OK\r\n"
_GREETING = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
MANY = 10_000_000


def answer(peer: Peer) -> None:
    """A well-behaved server with keep-alive, for comparison."""
    while True:
        peer.read()
        peer.send(_GREETING)


def sends(data: bytes, *, keep: bool = False) -> Behaviour:
    """A behaviour that answers with `data` and then closes, or keeps the connection open."""

    def behaviour(peer: Peer) -> None:
        peer.read()
        peer.send(data)
        if keep:
            peer.wait_for_close()

    return behaviour


def leads_to(port: int) -> Behaviour:
    """A proxy that leads every target to a server of the test."""

    def behaviour(peer: Peer) -> None:
        assert peer.read().method == "CONNECT"
        with socket.create_connection(("127.0.0.1", port)) as target:
            peer.send(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
            ends = {peer.sock: target, target: peer.sock}
            while True:
                for end in select.select(list(ends), [], [])[0]:
                    data = end.recv(65_536)
                    # Data that TLS has already decrypted does not make the socket readable.
                    while isinstance(end, ssl.SSLSocket) and end.pending():
                        data += end.recv(65_536)
                    if not data:
                        return
                    ends[end].sendall(data)

    return behaviour


# Time


def t01_never_reads(peer: Peer) -> None:
    peer.hold()


def t02_body_drip(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Content-Length: 12\r\n\r\n")
    peer.drip(b"x" * 12, 0.3)


def t04_header_drip(peer: Peer) -> None:
    peer.read()
    peer.drip(OK + b"X-Slow: yes\r\nContent-Length: 0\r\n\r\n", 0.1)


def t05_no_server_hello(peer: Peer) -> None:
    peer.hold()


def t06_handshake_drip(peer: Peer) -> None:
    peer.sock.recv(1)
    peer.drip(b"\x16\x03\x03\x00\x7a\x02\x00\x00\x76" + b"\x03" * 200, 0.2)


def t07_tls_body_drip(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Content-Length: 30\r\n\r\n")
    peer.drip(b"x" * 30, 0.4)


def t08_never_reads_the_body(peer: Peer) -> None:
    peer.sock.recv(1000)
    peer.hold()


def t11_endless_100(peer: Peer) -> None:
    peer.read()
    while True:
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 50)
        peer.rest(0.001)


def t11_flood_of_100(peer: Peer) -> None:
    peer.read()
    while True:
        peer.send(b"HTTP/1.1 100 Continue\r\n\r\n" * 1000)


def t12_tiny_chunks(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        peer.send(b"1\r\nx\r\n" * 50)


def t13_no_length_kept_open(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Content-Type: text/plain\r\n\r\nhello")
    peer.hold()


def t14_stands_still(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Content-Length: 10\r\n\r\nhello")
    peer.hold()


# Size


def b01_announced_too_large(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Content-Length: 100000000\r\n\r\n")
    for _ in range(MANY):
        peer.send(b"x" * 65_536)


def b02_endless(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"\r\n")
    while True:
        peer.send(b"x" * 65_536)


@cache
def bomb(coding: str) -> bytes:
    """Many bytes in a few."""
    return ENCODERS[coding](b"\0" * 30_000_000)


def explodes(coding: str) -> Behaviour:
    """A behaviour that answers with a bomb."""

    def behaviour(peer: Peer) -> None:
        peer.read()
        data = bomb(coding)
        peer.send(OK + b"Content-Encoding: %s\r\n" % coding.encode())
        peer.send(b"Content-Length: %d\r\n\r\n" % len(data) + data)

    return behaviour


b03_gzip_bomb = explodes("gzip")
b03_deflate_bomb = explodes("deflate")
b03_brotli_bomb = explodes("br")
b03_zstd_bomb = explodes("zstd")


def b04_endless_gzip(peer: Peer) -> None:
    """Endless garbage after the end of the coding: small when decoded, endless on the wire."""
    peer.read()
    peer.send(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello"))
    while True:
        peer.send(b"\0" * 65_536)


def b09_large_headers(peer: Peer) -> None:
    peer.read()
    peer.send(OK)
    for number in range(98):
        peer.send(b"X-%d: " % number + b"x" * 65_000 + b"\r\n")
    peer.send(b"Content-Length: 0\r\n\r\n")


def b10_many_headers(peer: Peer) -> None:
    peer.read()
    lines = b"".join(b"X-%d: y\r\n" % number for number in range(150))
    peer.send(OK + lines + b"Content-Length: 0\r\n\r\n")


def b10_endless_headers(peer: Peer) -> None:
    peer.read()
    peer.send(OK)
    while True:
        peer.send(b"X: y\r\n" * 1000)


def b11_long_header_line(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"X: " + b"x" * 70_000 + b"\r\nContent-Length: 0\r\n\r\n")


def b12_chunk_extension(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=")
    for _ in range(80):
        peer.send(b"y" * 65_536)
    peer.send(b"\r\nhello\r\n0\r\n\r\n")


def b12_endless_extension(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=")
    while True:
        peer.send(b"y" * 65_536)


b12_cut_extension = sends(OK + b"Transfer-Encoding: chunked\r\n\r\n5;x=yyyy")
b12_cut_last_extension = sends(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0;x=yyyy")


def b13_many_trailers(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n")
    for _ in range(300):
        peer.send(b"X-Trailer: y\r\n" * 1000)
    peer.send(b"\r\n")


def b13_large_trailer(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: ")
    for _ in range(128):
        peer.send(b"y" * 65_536)
    peer.send(b"\r\n\r\n")


def b14_long_status_line(peer: Peer) -> None:
    peer.read()
    peer.send(b"HTTP/1.1 200 " + b"O" * 1_000_000 + b"\r\nContent-Length: 0\r\n\r\n")


def leads_on(make_body: Callable[[], bytes], *headers: bytes) -> Behaviour:
    """Answers with a redirect and a body, and a client that follows it with a greeting."""

    def behaviour(peer: Peer) -> None:
        while True:
            if peer.read().target == "/end":
                peer.send(_GREETING)
                continue
            body = make_body()
            lines = b"\r\n".join((b"Location: /end", b"Content-Length: %d" % len(body), *headers))
            peer.send(b"HTTP/1.1 302 Found\r\n" + lines + b"\r\n\r\n" + body)

    return behaviour


b06_redirect_with_a_large_body = leads_on(lambda: b"x" * 20_000_000)
b07_redirect_with_a_bomb = leads_on(lambda: bomb("gzip"), b"Content-Encoding: gzip")
b15_binary_body = sends(OK + b"Content-Length: 2000000\r\n\r\n" + bytes(range(250)) * 8000)


# Framing

f01_short_body = sends(OK + b"Content-Length: 100\r\n\r\nhello")
f02_long_body = sends(OK + b"Content-Length: 2\r\n\r\nhello and more", keep=True)
f03_two_lengths = sends(OK + b"Content-Length: 5\r\nContent-Length: 7\r\n\r\nhello", keep=True)
f05_length_and_chunked = sends(
    OK + b"Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
)
f06_bad_chunk_size = sends(OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nhello\r\n0\r\n\r\n")
f11_http_09 = sends(b"just a body, without any head\r\n")
f12_http_09_status = sends(b"HTTP/0.9 200 OK\r\nContent-Length: 5\r\n\r\nhello")
f13_http_2_on_1 = sends(b"HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")
f14_status_999 = sends(b"HTTP/1.1 999 Who Knows\r\nContent-Length: 5\r\n\r\nhello")
f16_ssh_banner = sends(b"SSH-2.0-OpenSSH_9.9 secret-banner\r\n", keep=True)
f16_smtp_banner = sends(b"220 secret-banner ESMTP ready\r\n", keep=True)
f16_redis_banner = sends(b"-ERR secret-banner unknown command\r\n")
f17_empty = sends(b"")


def f18_reset_before_reply(peer: Peer) -> None:
    peer.read()
    peer.reset()


def f18_reset_in_body(peer: Peer) -> None:
    peer.read()
    peer.send(OK + b"Content-Length: 100\r\n\r\nhello")
    peer.rest(0.05)
    peer.reset()


def f21_closes_reused(peer: Peer) -> None:
    """Closes a connection when the second request arrives, like an idle timeout that fires just then."""
    peer.read()
    peer.send(_GREETING)
    peer.sock.recv(1)
    peer.reset()


def f21_takes_and_closes_reused(peer: Peer) -> None:
    """Reads the second request on a connection, then closes without an answer."""
    peer.read()
    peer.send(_GREETING)
    peer.read()
    peer.reset()


def f22_two_answers(peer: Peer) -> None:
    """Sends a second answer on the connection before it was asked for."""
    while True:
        peer.read()
        peer.send(_GREETING + OK + b"Content-Length: 6\r\n\r\npoison")


# Encodings

e02_gzip_cut = sends(
    OK + b"Content-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" + gzip.compress(b"hello" * 100)[:20]
)
e02_brotli_cut = sends(
    OK + b"Content-Encoding: br\r\nContent-Length: 10\r\n\r\n" + ENCODERS["br"](b"hello" * 100)[:10]
)
e02_zstd_cut = sends(
    OK + b"Content-Encoding: zstd\r\nContent-Length: 15\r\n\r\n" + ENCODERS["zstd"](b"hello" * 100)[:15]
)
e03_gzip_garbage = sends(OK + b"Content-Encoding: gzip\r\nContent-Length: 7\r\n\r\nnotgzip")
e05_members_and_garbage = sends(
    OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hel") + gzip.compress(b"lo") + b"garbage"
)
e06_unknown_charset = sends(OK + b"Content-Type: text/plain; charset=xx\r\nContent-Length: 5\r\n\r\nhello")
e07_unknown_coding = sends(OK + b"Content-Encoding: rot13\r\nContent-Length: 5\r\n\r\nuryyb")
e09_cookies = sends(OK + b"Set-Cookie: a=1; Domain=.com\r\nContent-Length: 5\r\n\r\nhello", keep=True)


def e04_no_close_notify(peer: Peer) -> None:
    """Over TLS: the body ends with the connection, and the connection without close_notify."""
    peer.read()
    peer.send(OK + b"\r\nhello")


def answers(status: int, body: bytes = b"", *headers: str) -> Behaviour:
    """A whole answer, on a connection that is kept."""
    lines = "".join(f"{line}\r\n" for line in headers)
    head = f"HTTP/1.1 {status} X\r\n{lines}Content-Length: {len(body)}\r\n\r\n"
    return sends(head.encode() + body, keep=True)
