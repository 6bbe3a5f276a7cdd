"""The diagnosis: the kind of outcome, whether to retry, and a sentence without a byte of the peer."""

import pycurl
import pytest

from taskrunner.domain.retries.retry import RETRYABLE_KINDS
from taskrunner.domain.tasks.outcome import OutcomeKind
from taskrunner.handlers.http.diagnosis import FAILURES, FetchFailure, diagnose
from taskrunner.handlers.http.exchange import Exchange
from taskrunner.handlers.http.response_head import ResponseHead

BANNER = "SSH-2.0-secret-banner"


def judge(
    code: int, text: str = "", *, lines: tuple[bytes, ...] = (), attempt: int = 1
) -> FetchFailure | None:
    exchange = Exchange(max_header_bytes=1_000_000)
    for line in lines:
        exchange.head_lines.add(line)
    exchange.curl_code, exchange.curl_text, exchange.head = code, text, ResponseHead(lines)
    return diagnose(exchange, attempt=attempt, elapsed=1.0, phase=lambda: "connecting")


def failure(code: int, text: str = "", *, lines: tuple[bytes, ...] = (), attempt: int = 1) -> FetchFailure:
    made = judge(code, text, lines=lines, attempt=attempt)
    assert made is not None
    return made


def is_retried(made: FetchFailure) -> bool:
    return made.kind in RETRYABLE_KINDS if made.retryable is None else made.retryable


@pytest.mark.parametrize(
    ("code", "text", "kind", "retried"),
    [
        (pycurl.E_OPERATION_TIMEDOUT, "", OutcomeKind.TIMEOUT, True),
        (pycurl.E_COULDNT_RESOLVE_HOST, "", OutcomeKind.DNS_ERROR, True),
        (pycurl.E_COULDNT_CONNECT, "", OutcomeKind.CONNECT_ERROR, True),
        (pycurl.E_GOT_NOTHING, "", OutcomeKind.CONNECT_ERROR, True),
        (pycurl.E_RECV_ERROR, "Send failure: Broken pipe", OutcomeKind.CONNECT_ERROR, True),
        (pycurl.E_SEND_ERROR, "", OutcomeKind.CONNECT_ERROR, True),
        (pycurl.E_RECV_ERROR, "Recv failure: Connection reset by peer", OutcomeKind.CONNECT_ERROR, True),
        (pycurl.E_RECV_ERROR, "invalid chunk", OutcomeKind.PROTOCOL_ERROR, True),
        (pycurl.E_PARTIAL_FILE, "", OutcomeKind.PROTOCOL_ERROR, True),
        (pycurl.E_UNSUPPORTED_PROTOCOL, "", OutcomeKind.PROTOCOL_ERROR, False),
        (pycurl.E_FTP_WEIRD_SERVER_REPLY, "", OutcomeKind.PROTOCOL_ERROR, False),
        (pycurl.E_SSL_CONNECT_ERROR, "unexpected eof while reading", OutcomeKind.TLS_ERROR, True),
        (100, "", OutcomeKind.PROTOCOL_ERROR, False),
        (99, "unheard of", OutcomeKind.PROTOCOL_ERROR, True),
    ],
)
def test_each_error_has_its_kind(code: int, text: str, kind: OutcomeKind, retried: bool) -> None:
    """What may pass is retried; a server that does not speak HTTP is not."""
    made = failure(code, text)
    assert (made.kind, is_retried(made)) == (kind, retried)


@pytest.mark.parametrize("prefix", ["", "Recv failure: ", "SSL_read: ", "subject name "])
def test_no_sentence_quotes_the_peer(prefix: str) -> None:
    """An error must not reveal what listens on a port."""
    for code in {*range(1, 110), *FAILURES}:
        made = failure(code, prefix + BANNER, lines=(BANNER.encode(),))
        assert "secret-banner" not in made.error
        assert made.error.endswith(".")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SSL certificate OpenSSL verify result: certificate has expired (10)", "it has expired"),
        ("SSL certificate OpenSSL verify result: self-signed certificate (18)", "it is self-signed"),
        ("SSL: no alternative certificate subject name matches target", "it is for another host name"),
    ],
)
def test_a_certificates_fault_is_named(text: str, reason: str) -> None:
    """OpenSSL's code becomes our own words."""
    assert reason in failure(pycurl.E_PEER_FAILED_VERIFICATION, text).error


@pytest.mark.parametrize(("attempt", "retried"), [(1, True), (2, False), (3, False)])
def test_a_certificate_gets_two_attempts(attempt: int, retried: bool) -> None:
    """A certificate is seldom repaired between attempts."""
    assert is_retried(failure(pycurl.E_PEER_FAILED_VERIFICATION, attempt=attempt)) is retried


def test_a_sound_answer_has_no_failure() -> None:
    """The status does not matter."""
    assert judge(0, lines=(b"HTTP/1.1 500 X\r\n", b"\r\n")) is None


def test_an_answer_without_a_status_is_no_http() -> None:
    """libcurl accepts some status lines that we refuse."""
    assert failure(0, lines=(b"HTTP/2.0 200 OK\r\n", b"\r\n")).kind is OutcomeKind.PROTOCOL_ERROR


def test_a_flood_of_interim_answers_is_called_that() -> None:
    """`HeadLines` stopped the exchange, which libcurl reports as a failed write."""
    interim = (b"HTTP/1.1 100 X\r\n", b"\r\n") * 70_000

    assert "interim" in failure(pycurl.E_WRITE_ERROR, lines=interim).error


def test_a_head_without_its_end_is_no_answer() -> None:
    """Unless a limit ended it: then the status counts."""
    assert "in the middle of its head" in failure(0, lines=(b"HTTP/1.1 200 OK\r\n",)).error


@pytest.mark.parametrize("text", ["Header without colon", "NUL byte in header", "Invalid secret-banner"])
@pytest.mark.parametrize("count", [1, 2, 9])
def test_the_malformed_line_is_the_next_one(text: str, count: int) -> None:
    """libcurl has passed on each line before it."""
    lines = (b"HTTP/1.1 200 OK\r\n", *[b"A: b\r\n"] * (count - 1))
    error = failure(pycurl.E_FTP_WEIRD_SERVER_REPLY, text, lines=lines).error

    assert f"Line {count + 1} " in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("tlsv1 alert protocol version", "TLS version"),
        ("unsupported protocol", "TLS version"),
        ("no protocols available", "TLS version"),
        ("wrong version number", "does not speak TLS on this port"),
        ("packet length too long", "does not speak TLS on this port"),
        ("http request", "does not speak TLS on this port"),
        ("ssl/tls alert handshake failure", "client certificate (Fetch.tls)"),
        ("tlsv1 alert insufficient security", "TLS ciphers"),
        ("tlsv1 unrecognized name", "does not know the host name"),
        ("tlsv1 alert no application protocol", "Fetch.http1_hosts"),
        ("dh key too small", "too short"),
        ("ee key too small", "too short"),
        ("ca md too weak", "hash"),
        ("unsafe legacy renegotiation disabled", "renegotiation"),
        ("tlsv1 alert internal error", "internal_error"),
        ("ssl/tls alert illegal parameter", "refused our TLS handshake"),
        ("tlsv1 alert unknown ca", "client certificate"),
        ("tlsv13 alert certificate required", "client certificate"),
        ("something new", "The TLS handshake failed."),
    ],
)
def test_a_failed_handshake_is_named(reason: str, word: str) -> None:
    """OpenSSL's reason becomes our own words, with the setting that helps."""
    made = failure(pycurl.E_SSL_CONNECT_ERROR, f"TLS connect error: error:0A000000:SSL routines::{reason}")
    assert made.kind is OutcomeKind.TLS_ERROR
    assert word in made.error


@pytest.mark.parametrize(
    ("number", "word"),
    [
        (9, "not yet valid"),
        (18, "ca_file"),
        (19, "ca_file"),
        (20, "incomplete chain"),
        (21, "incomplete chain"),
        (23, "revoked"),
        (66, "too short"),
        (67, "too short"),
        (68, "hash"),
    ],
)
def test_each_fault_of_a_certificate_has_words(number: int, word: str) -> None:
    """By OpenSSL's verify code."""
    text = f"SSL certificate OpenSSL verify result: some words ({number})"
    assert word in failure(pycurl.E_PEER_FAILED_VERIFICATION, text).error


@pytest.mark.parametrize(
    ("code", "text", "words"),
    [
        (
            92,
            "HTTP/2 stream 1 reset by server (error 0x1 PROTOCOL_ERROR)",
            "reset the HTTP/2 stream with PROTOCOL",
        ),
        (92, "HTTP/2 stream 7 reset by server (error 0xb ENHANCE_YOUR_CALM)", "ENHANCE_YOUR_CALM"),
        (92, "HTTP/2 stream 1 reset by server (error 0xffff x)", "an unknown error code"),
        (92, "HTTP/2 stream 1 reset by curl (error 0x2 INTERNAL_ERROR)", "closed the HTTP/2 connection with"),
        (92, "HTTP/2 stream 1 was closed cleanly, but before getting all", "without a complete answer"),
        (92, "[HTTP2] [1] received invalid frame: FRAME[PUSH_PROMISE]", "an invalid HTTP/2 frame"),
        (8, "[HTTP2] [1] received invalid frame: FRAME[HEADERS]", "an invalid HTTP/2 frame"),
        (16, "nghttp2 shuts down connection with error 9: COMPRESSION_ERROR", "COMPRESSION_ERROR"),
        (16, "unexpected data while we expected SETTINGS frame.", "does not speak it"),
        (16, "something new", "The HTTP/2 connection broke."),
    ],
)
def test_a_fault_of_http_2_is_named(code: int, text: str, words: str) -> None:
    """With the setting that avoids HTTP/2."""
    made = failure(code, text)
    assert made.kind is OutcomeKind.PROTOCOL_ERROR
    assert words in made.error
    assert "Fetch.http1_hosts" in made.error
