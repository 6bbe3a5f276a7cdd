"""The diagnosis: the kind of outcome, whether to retry, and a sentence without a byte of the peer."""

import pycurl
import pytest

from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.retry import RETRYABLE_KINDS
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
