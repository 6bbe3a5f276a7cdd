"""Each hostile behaviour ends in time, in one outcome of the right kind, with the body under its cap."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from taskrunner.domain.outcome import OutcomeKind
from taskrunner.domain.retry import is_retryable
from tests.system.fetch.conftest import Fetcher
from tests.tools import behaviours
from tests.tools.hostile import Hostile

OK = OutcomeKind.OK
TIMEOUT = OutcomeKind.TIMEOUT
PROTOCOL = OutcomeKind.PROTOCOL_ERROR
TOO_LARGE = OutcomeKind.TOO_LARGE
CONNECT = OutcomeKind.CONNECT_ERROR
DECODE = OutcomeKind.DECODE_ERROR
HTTP_ERROR = OutcomeKind.HTTP_ERROR

# What the product promises over the deadline, and something for a machine that runs other things too.
GRACE = 0.5
MAX_BODY_BYTES = 4 * 1024 * 1024
STORE_BODY_BYTES = 1024


@dataclass(frozen=True)
class Case:
    """What a behaviour must lead to; `timeout` is the deadline that the task gets."""

    name: str
    kind: OutcomeKind
    retryable: bool = False
    timeout: float = 5.0
    tls: bool = False
    https: bool = False
    content: int = 0


CASES = [
    Case("t01_never_reads", TIMEOUT, True, 0.5),
    Case("t02_body_drip", TIMEOUT, True, 0.5),
    Case("t04_header_drip", TIMEOUT, True, 0.5),
    Case("t05_no_server_hello", TIMEOUT, True, 0.5, https=True),
    Case("t06_handshake_drip", TIMEOUT, True, 0.5, https=True),
    Case("t07_tls_body_drip", TIMEOUT, True, 1.0, tls=True),
    Case("t08_never_reads_the_body", TIMEOUT, True, 0.5, content=20_000_000),
    Case("t11_endless_100", PROTOCOL, True, 0.5),
    Case("t11_flood_of_100", PROTOCOL, True, 1.0),
    Case("t12_tiny_chunks", TIMEOUT, True, 0.5),
    Case("t13_no_length_kept_open", TIMEOUT, True, 0.5),
    Case("b01_announced_too_large", TOO_LARGE),
    Case("b02_endless", TOO_LARGE),
    Case("b03_gzip_bomb", TOO_LARGE),
    Case("b04_endless_gzip", TOO_LARGE),
    Case("b05_deflate_bomb", TOO_LARGE),
    Case("b09_large_headers", TOO_LARGE),
    Case("b10_many_headers", PROTOCOL),
    Case("b10_endless_headers", PROTOCOL),
    Case("b11_long_header_line", PROTOCOL),
    # libcurl passes over chunk extensions of any length: they cost time up to the deadline, no memory.
    Case("b12_chunk_extension", OK),
    Case("b13_many_trailers", PROTOCOL),
    Case("b13_large_trailer", PROTOCOL),
    Case("b14_long_status_line", PROTOCOL),
    Case("b15_binary_body", OK),
    Case("f01_short_body", PROTOCOL, True),
    Case("f02_long_body", OK),
    Case("f03_two_lengths", PROTOCOL),
    Case("f05_length_and_chunked", OK),
    Case("f06_bad_chunk_size", PROTOCOL, True),
    Case("f11_http_09", PROTOCOL),
    Case("f12_http_09_status", PROTOCOL),
    Case("f13_http_2_on_1", PROTOCOL),
    Case("f14_status_999", HTTP_ERROR),
    Case("f16_ssh_banner", PROTOCOL),
    Case("f16_smtp_banner", PROTOCOL),
    Case("f16_redis_banner", PROTOCOL),
    Case("f17_empty", CONNECT, True),
    Case("f18_reset_before_reply", CONNECT, True),
    Case("f18_reset_in_body", CONNECT, True),
    Case("e02_gzip_cut", DECODE, True),
    Case("e03_gzip_garbage", DECODE, True),
    Case("e04_no_close_notify", OK, tls=True),
    Case("e05_members_and_garbage", OK),
    Case("e06_unknown_charset", OK),
    Case("e07_unknown_coding", OK),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_hostile_answer_ends_in_time_as_the_right_kind(
    case: Case, hostile: Hostile, tls: ssl.SSLContext, make_fetcher: Callable[..., Fetcher]
) -> None:
    """The attempt ends by its deadline and half a second, is of the listed kind, and stays under the caps."""
    fetch = make_fetcher(max_body_bytes=MAX_BODY_BYTES, store_body_bytes=STORE_BODY_BYTES)
    url = hostile.url(getattr(behaviours, case.name), tls=tls if case.tls else None)
    fields: dict[str, Any] = {"method": "POST", "body": "x" * case.content} if case.content else {}

    started = time.monotonic()
    outcome = fetch(url.replace("http:", "https:") if case.https else url, timeout=case.timeout, **fields)
    elapsed = time.monotonic() - started

    assert outcome.kind is case.kind, outcome.error
    assert is_retryable(outcome) is case.retryable
    assert elapsed <= case.timeout + GRACE
    assert outcome.counted
    assert (outcome.error is None) is (case.kind is OK)
    assert "secret-banner" not in repr(outcome)
    if outcome.response is not None:
        assert len(outcome.response.body) <= STORE_BODY_BYTES


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_after_a_hostile_answer_the_handler_is_as_good_as_new(
    case: Case, hostile: Hostile, tls: ssl.SSLContext, make_fetcher: Callable[..., Fetcher]
) -> None:
    """What one server did leaves nothing behind for the next task of the same worker."""
    fetch = make_fetcher(max_body_bytes=MAX_BODY_BYTES)
    url = hostile.url(getattr(behaviours, case.name), tls=tls if case.tls else None)
    fetch(url.replace("http:", "https:") if case.https else url, timeout=0.3)

    outcome = fetch(hostile.url(behaviours.answer))

    assert outcome.kind is OK
    assert outcome.response is not None
    assert outcome.response.body == b"hello"
    assert outcome.response.headers == (("Content-Length", "5"),)
