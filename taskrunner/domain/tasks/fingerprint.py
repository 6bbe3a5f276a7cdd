"""A fingerprint: equal for requests whose fields have the same values, however the JSON is written.

The order of members, the case of header names, the spelling of a number, and whether a default was given or
left out make no difference (draft-ietf-httpapi-idempotency-key-header, section 2.4).
"""

import base64
import hashlib
import json
from decimal import Decimal
from operator import itemgetter
from typing import Any

import msgspec
from pydantic import BaseModel

from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace

_SORTED = msgspec.json.Encoder(order="sorted")


# What a task may have from its executor. A request is the same after a change of the executor.
_FROM_EXECUTOR = (
    "url",
    "method",
    "headers",
    "tls",
    "timeout",
    "max_attempts",
    "retry",
    "queue",
    "retention",
    "is_dead_letter",
)


def fingerprint(
    task: Task, *, given_id: str | None, delay: float | None, write_concern: str, own: str = ""
) -> str:
    """The fingerprint of a request that is to make `task`.

    The times of a delay count from the request, and each request may be a span of its own. `own` are the
    fields of a task of an executor that the request gives in place of the executor's, in JSON.
    """
    timeless = replace(task, id=given_id or "", run_at=None if delay else task.run_at)
    parts = [_meaning(timeless), repr(float(delay or 0)).encode(), write_concern.encode()]
    parts += [own.encode()] if own else []
    return hashlib.sha256(b"\n".join(parts)).hexdigest()


def own_fields(draft: BaseModel) -> str:
    """In JSON, what the draft of a task of an executor says in place of its executor."""
    named = {"priority", "write_concern", *_FROM_EXECUTOR} & draft.model_fields_set
    return json.dumps(draft.model_dump(include=named, mode="json"), sort_keys=True)


def is_same_request(task: Task, known: Task) -> bool:
    """Whether the request for `task` repeats the one that made `known`, which has the same id.

    Fields that an executor may have given are not compared: the record does not say who gave them.
    """
    if task.run_at != known.run_at:
        if task.run_at is None or known.run_at is None:
            return False
        if task.run_at - task.created_at != known.run_at - known.created_at:
            return False
    return _meaning(replace(task, run_at=None)) == _meaning(replace(known, run_at=None))


def _meaning(task: Task) -> bytes:
    headers = {name.lower(): value for name, value in task.headers.items()}
    body, body_base64 = _body(task)
    is_json = task.executor is not None or "json" in headers.get("content-type", "").lower()
    if body is not None and is_json:
        body = _canonical(body)
    fields = _written_out(task) | {
        "headers": headers,
        "body": body,
        "body_base64": body_base64,
        "retry_on": sorted({*task.retry_on}),
        "fail_on": sorted({*task.fail_on}),
    }
    del fields["created_at"], fields["traceparent"]
    for name in _FROM_EXECUTOR if task.executor is not None else ():
        del fields[name]
    return _SORTED.encode(fields)


def _body(task: Task) -> tuple[str | None, str | None]:
    """The body as text where its bytes are: a target cannot tell in which of two fields they were given."""
    if task.body_base64 is None:
        return task.body, None
    try:
        return base64.b64decode(task.body_base64).decode(), None
    except UnicodeDecodeError:
        return None, task.body_base64


def _written_out(value: Any) -> Any:
    """With every default: the codec leaves out some that are given, and writes others."""
    if isinstance(value, msgspec.Struct):
        return {name: _written_out(getattr(value, name)) for name in value.__struct_fields__}
    if isinstance(value, tuple):
        return [_written_out(part) for part in value]
    # A store gives back 5.0 for a delay of 5.
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value


def _canonical(text: str) -> str:
    """The same for every spelling of a JSON text. Repeated members count, since the target gets them."""
    try:
        return repr(json.loads(text, object_pairs_hook=_by_name, parse_int=_number, parse_float=_number))
    except (ValueError, RecursionError):
        return text


def _by_name(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return sorted(pairs, key=itemgetter(0))


def _number(text: str) -> tuple[str, ...]:
    """The exact value: 60, 60.0 and 6e1 are the same."""
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except ArithmeticError:
        return (text,)
    significant = "".join(map(str, digits)).lstrip("0")
    stripped = significant.rstrip("0")
    shift = int(exponent) + len(significant) - len(stripped) if stripped else 0
    return ("-" if sign and stripped else "", stripped, str(shift))
