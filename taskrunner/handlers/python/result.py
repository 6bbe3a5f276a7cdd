"""The result of a handler: what it returned, as JSON, kept where the body of an answer is kept."""

import hashlib
import json
from typing import Any

import msgspec

from taskrunner.domain.masking import strip_urls
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind, Response

CONTENT_TYPE = "application/json"
_NOTHING = Outcome(kind=OutcomeKind.OK)
_MAX_WHY_CHARS = 200


def outcome_of(result: object, *, max_bytes: int) -> Outcome:
    """Success with the result, or a failure if it is not JSON or larger than `max_bytes`.

    There is no retry: another attempt would do the work again and return a similar result.
    """
    if result is None:
        return _NOTHING
    try:
        body = to_json(result)
    except (TypeError, ValueError, RecursionError, MemoryError) as exc:
        error = f"The result of the handler, of type {type(result).__name__}, is not JSON: {_why(exc)}."
        return Outcome(kind=OutcomeKind.HANDLER_ERROR, retryable=False, error=error)
    if len(body) > max_bytes:
        return Outcome(
            kind=OutcomeKind.TOO_LARGE,
            error=f"The handler returned {len(body)} bytes of JSON; a result has at most {max_bytes} "
            "(Fetch.store_body_bytes). Store it elsewhere, and return where it is.",
        )
    return Outcome(
        kind=OutcomeKind.OK,
        response=Response(
            content_type=CONTENT_TYPE,
            http_version="",
            size_bytes=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            body=body,
        ),
    )


def to_json(value: object) -> bytes:
    """Raises `TypeError`, `ValueError`, `RecursionError`."""
    return _ENCODER.encode(value).encode()


def _plain(value: object) -> Any:
    """What `json` has no form for, in one that it has. Raises `TypeError`."""
    if isinstance(value, bytes | bytearray | memoryview):
        raise TypeError("bytes have no form in JSON; encode them, with base64 for example")
    if _is_model(value):
        return _model(value)
    # Dataclasses, structs, dates, UUIDs, decimals, enums, sets.
    return msgspec.to_builtins(value, enc_hook=_model)


def _model(value: Any) -> Any:
    if not _is_model(value):
        raise TypeError(f"objects of type {type(value).__name__} have no form in JSON")
    return value.model_dump(mode="json")


def _is_model(value: object) -> bool:
    """An instance of a pydantic model."""
    return hasattr(value, "model_dump") and not isinstance(value, type)


def _why(exc: Exception) -> str:
    if isinstance(exc, RecursionError):
        return "it is nested too deeply"
    if isinstance(exc, UnicodeEncodeError):
        return "it holds a lone surrogate, which UTF-8 cannot hold"
    if isinstance(exc, MemoryError):
        return "there is too little memory"
    return strip_urls(str(exc)).rstrip(".")[:_MAX_WHY_CHARS]


# Without NaN and Infinity, which RFC 8259 section 6 does not permit.
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_plain)
