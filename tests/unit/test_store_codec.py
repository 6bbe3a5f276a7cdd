"""The JSON of attempts and results: there and back, across versions, and whatever the text."""

from dataclasses import replace
from datetime import UTC, datetime

import orjson

from taskrunner.domain.outcome import OutcomeKind, Response, Timings
from taskrunner.domain.record import Attempt
from taskrunner.stores.codec import (
    decode_attempt,
    decode_response,
    encode_attempt,
    encode_response,
    storable,
)

NOW = datetime(2031, 5, 6, 7, 8, 9, 123456, UTC)
RESPONSE = Response(
    status=200,
    headers=(("a", "b"), ("a", "c")),
    content_type="text/plain",
    size_bytes=5,
    sha256="ab",
    timings=Timings(dns=1.5, connect=2.5, tls=3.5, first_byte=4.5, total=5.5),
    body=b"hello",
    truncated=True,
    url="http://x/",
    redirects=3,
    http_version="2",
    unchanged=True,
)
ATTEMPT = Attempt(
    number=3,
    started_at=NOW,
    finished_at=NOW,
    outcome=OutcomeKind.HTTP_ERROR,
    status_code=503,
    error="ü",
    counted=False,
    consumer="host:1:a",
    address="[2001:db8::1]:443",
    timings=RESPONSE.timings,
    response=replace(RESPONSE, body=b""),
)


def test_attempts_come_back() -> None:
    """FinishedAttempt or running, nothing is lost."""
    running = Attempt(number=1, started_at=NOW)
    assert [decode_attempt(encode_attempt(each)) for each in (ATTEMPT, running)] == [ATTEMPT, running]


def test_responses_come_back_without_body() -> None:
    """The body is kept elsewhere."""
    assert decode_response(encode_response(RESPONSE)) == replace(RESPONSE, body=b"")


def test_every_field_is_written() -> None:
    """A field that is added to the values must be added to the codec."""
    assert set(orjson.loads(encode_attempt(ATTEMPT))) == set(vars(Attempt)["__slots__"])
    written = orjson.loads(encode_response(RESPONSE))
    assert set(written) == set(vars(Response)["__slots__"]) - {"body"}
    assert set(written["timings"]) == set(vars(Timings)["__slots__"])


def test_a_newer_versions_fields_are_passed_over() -> None:
    """A rollback can read what the newer version wrote."""
    newer = orjson.dumps(orjson.loads(encode_attempt(ATTEMPT)) | {"mood": "good"})
    assert decode_attempt(newer) == ATTEMPT


def test_text_that_utf8_cannot_hold() -> None:
    """Half a surrogate pair becomes a question mark, and the rest stays."""
    odd = replace(RESPONSE, headers=(("x\ud800", "ü\udfff"),))
    assert decode_response(encode_response(odd)).headers == (("x?", "ü?"),)
    assert storable("a\ud800ü") == "a?ü"
