"""What schemathesis has to be told about our API, because JSON Schema and OpenAPI cannot say it."""

import json
import re
from typing import Any

import schemathesis

_NO_NAME = "has a host that is not a name|has a numeric host|has a host with an xn-- label"
# Refusals of requests that the document allows, by method, code, field and start of the message: what it
# cannot say.
_BEYOND_SCHEMA = (
    # Which parameters go together: no parameter's schema can refer to another parameter.
    (r"POST", r"bad_query", r"all", r"give "),
    # That a text is one which no earlier request had.
    (r"POST", r"idempotency_key_reused", r"", r""),
    # What time it is, that one time is later than another, and in which year of UTC.
    (r"\w+", r"\w+_invalid", r".*_at", r"must (be in the future|be later than|be at most|lie between)"),
    # Whether a schedule is there: the whole name, with the key's before it, makes none.
    (r"PUT", r"schedule_invalid", r"name", r"must be 1 to 64"),
    # How long a duration in words is, and that one is as long as another.
    (r"\w+", r"\w+_invalid", r"(.*\.)?(timeout|delay)", r"must be at most \d+( seconds)?, got"),
    (r"\w+", r"\w+_invalid", r".*", r"must be (greater than|less than|at least|at most|a finite) .*got '"),
    (r"\w+", r"\w+_invalid", r"(.*\.)?(cap|base)", r"must be at (least|most) retry\."),
    (r"\w+", r"\w+_invalid", r"(.*\.)?retry", r"base \(.*\) must be at most cap"),
    # That no value is in two lists.
    (r"\w+", r"\w+_invalid", r"(task)?", r"retry_on and fail_on both have"),
    # Which time zones this machine knows.
    (r"\w+", r"schedule_invalid|bad_query", r"time_zone", r"must be an IANA time zone"),
    # That a range goes up, and has steps and days that there are.
    (
        r"\w+",
        r"schedule_invalid|bad_query",
        r"cron",
        r"(has the step|is not a cron expression|never matches)",
    ),
    # What this installation has configured.
    (r"\w+", r"\w+_invalid", r"(.*\.)?(auth|tls|secret)", r"no \w+( profile)? is configured by the name"),
    # How many bytes a text has.
    (r"\w+", r"\w+_invalid", r"(.*\.)?labels", r".*must be 1 to \d+ bytes"),
    # Which queues there are.
    (r"\w+", r"(\w+_invalid|bad_query)", r"(.*\.)?queue", r"must be a declared queue"),
    # Which executors there are, and what each takes.
    (r"\w+", r"\w+_invalid", r".*", r"is for HTTP, and "),
    (r"\w+", r"\w+_invalid", r"(.*\.)?executor", r"there is no executor"),
    (r"\w+", r"\w+_invalid", r"(.*\.)?data.*", r""),
    # Which names IDNA 2008 allows, and which targets the SSRF policy does.
    (r"\w+", r"\w+_invalid", r"(.*\.)?url", rf"({_NO_NAME}|names )"),
    # What a change makes of what is there (RFC 7396): whether the whole is valid afterwards.
    (r"PATCH", r"\w+_invalid", r".*", r""),
    # How many findings there are beside those that are told.
    (r"\w+", r"\w+", r"", r"\d+ findings; the first"),
    # Which elements of a batch are good: by itself, each is answered in its item.
    (r"POST", r"batch_refused", r".*", r""),
)


_LINES = ("application/x-ndjson", "application/jsonl")


@schemathesis.serializer(*_LINES)
def as_lines(_context: Any, value: Any) -> bytes:
    """The schema of lines is that of their text; a value of another type is a line."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.encode("utf-8", "surrogatepass")


@schemathesis.hook
def filter_failure(_context: Any, failure: Any, case: Any, response: Any) -> bool:
    """Whether a failure counts."""
    if type(failure).__name__ == "ServerError":
        return not _needs_replicas(case, response)
    if type(failure).__name__ == "AcceptedNegativeData":
        # See `as_lines`: lines of another type than text are lines, each of which is refused by itself.
        return not (case.media_type in _LINES and not isinstance(case.body, str))
    if type(failure).__name__ != "RejectedPositiveData":
        return True
    problem = response.json()
    findings = problem.get("errors") or [{"field": "", "message": problem["detail"]}]
    return not all(
        _is_beyond_schema(case.method, problem["code"], each["field"], each["message"]) for each in findings
    )


def _is_beyond_schema(method: str, code: str, field: str, message: str) -> bool:
    return any(
        re.fullmatch(methods, method)
        and re.fullmatch(codes, code)
        and re.fullmatch(fields, field)
        and re.match(messages, message)
        for methods, codes, fields, messages in _BEYOND_SCHEMA
    )


def _needs_replicas(case: Any, response: Any) -> bool:
    """503 is the answer for a write concern whose replicas are not there."""
    return bool(response.status_code == 503 and "replicated" in str(case.body))
