"""Reading requests: bodies within their bounds, media types, query strings, keys."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from aiohttp import web

from taskrunner.api.operations import Parameter
from taskrunner.api.problems import refuse
from taskrunner.domain.errors import FieldError, FilterInvalid, TaskUnknown
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.pauses import read_scopes
from taskrunner.domain.task_fields import ID_PATTERN
from taskrunner.domain.task_filter import CONDITIONS, TaskFilter, read_filter

Answer = TypeVar("Answer")

# draft-ietf-httpapi-idempotency-key-header makes the key a quoted string; most clients send it bare.
_KEY = re.compile(r'"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"|([\x21\x23-\x7e][\x20-\x7e]{0,254})')
# Long enough for the ids that a gradual_requeue watches.
_CURSOR = re.compile(r"[A-Za-z0-9._:|~=+/-]{1,4096}")
_PREFIX = "/api/v1"

LIMIT = Parameter(
    name="limit", description="How many at most.", schema={"type": "integer", "minimum": 1, "maximum": 200}
)
CURSOR = Parameter(
    name="cursor", description="The `next_cursor` of the part before.", schema={"type": "string"}
)
CONDITION_PARAMETERS = tuple(
    Parameter(name=name, description=meaning, schema={"type": "string"})
    for name, meaning in CONDITIONS.items()
)
SWEEP_PARAMETERS = (
    Parameter(
        name="limit",
        description="How many at most.",
        schema={"type": "integer", "minimum": 1, "maximum": 1000},
    ),
    CURSOR,
    Parameter(name="dry_run", description="Only count them.", schema={"type": "boolean"}),
    Parameter(
        name="all", description="Everything; to be said where no condition is.", schema={"type": "boolean"}
    ),
)


def prefix_of(request: web.Request) -> str:
    """`/api/v1` when the request came by that name of the API, else an empty string."""
    return _PREFIX if request.path.startswith(_PREFIX) else ""


def task_id_of(request: web.Request) -> str:
    """The id in the path. One that no task can have raises `TaskUnknown` without a look into the store."""
    given = request.match_info["id"]
    if not ID_PATTERN.fullmatch(given):
        raise TaskUnknown(f"no task can have the id {shown(given)}")
    return given


async def read_json_body(
    request: web.Request, *, limit: int, timeout: float, also: Collection[str] = ()
) -> bytes:
    """The body's bytes. Raises `RequestRefused` when it is no JSON by its type, too large or too slow.

    `also`: further media types that will do.
    """
    _check_media_type(request, also)
    length = request.content_length
    if length is not None and length > limit:
        raise too_large(limit)
    if request.content.is_eof():
        return await _read(request, limit)
    try:
        async with asyncio.timeout(timeout):
            return await _read(request, limit)
    except TimeoutError as exc:
        raise refuse(408, "request_timeout", f"the body was not complete within {timeout:g} s") from exc


def too_large(limit: int) -> Exception:
    """The refusal of a body of more than `limit` bytes."""
    return refuse(413, "body_too_large", f"the body is larger than {limit} bytes")


def idempotency_key_of(request: web.Request) -> str | None:
    """The `Idempotency-Key`, without quotes; None when there is none."""
    given = request.headers.get("Idempotency-Key")
    if given is None:
        return None
    match = _KEY.fullmatch(given)
    if match is None:
        problem = FieldError(field="Idempotency-Key", message="must be 1 to 255 visible ASCII characters")
        raise refuse(400, "bad_header", str(problem), [problem])
    return match[1] or match[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkActionQuery:
    """A query that chooses what something is to be done to."""

    selection: TaskFilter
    limit: int
    cursor: str | None
    dry_run: bool


SWEEP = ("limit", "cursor", "dry_run", "all")


class Query:
    """The query string of a request; collects what is wrong in it, and tells all of that at once."""

    def __init__(
        self, request: web.Request, known: Collection[str], conditions: Collection[str] = ()
    ) -> None:
        self._given = request.query
        self._conditions = conditions
        self._errors: list[FieldError] = []
        for name in dict.fromkeys(self._given):
            if name in conditions:
                continue
            if name not in known:
                self._wrong(name, "unknown parameter" + did_you_mean(name, (*known, *conditions)))
            elif len(self._given.getall(name)) > 1:
                self._wrong(name, "is given more than once")

    def limit(self, default: int, most: int) -> int:
        given = self._given.get("limit")
        if given is None:
            return default
        if not re.fullmatch(r"[0-9]{1,9}", given) or not 1 <= int(given) <= most:
            self._wrong("limit", f"must be a whole number from 1 to {most}, got {shown(given)}")
            return default
        return int(given)

    def selection(self) -> TaskFilter:
        """What the conditions select."""
        given = {
            name: self._given.getall(name) for name in dict.fromkeys(self._given) if name in self._conditions
        }
        try:
            return read_filter(given, now=datetime.now(UTC))
        except FilterInvalid as exc:
            self._errors += exc.errors
            return TaskFilter()

    def flag(self, name: str) -> bool:
        """`true` or `false`, which is also what it is when it is not there."""
        given = self._given.get(name, "false")
        if given not in {"true", "false"}:
            self._wrong(name, f"must be true or false, got {shown(given)}")
        return given == "true"

    def choice(self, name: str, known: Sequence[str]) -> str:
        """One of `known`, by default the first."""
        given = self._given.get(name, known[0])
        if given not in known:
            self._wrong(name, f"must be one of {', '.join(known)}, got {shown(given)}")
        return given

    def rate(self) -> float | None:
        """Items a second, None for no bound."""
        given = self._given.get("rate")
        if given is None:
            return None
        if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,3})?", given) or not float(given):
            self._wrong("rate", f"must be items a second, above 0, such as 10 or 0.5, got {shown(given)}")
            return None
        return float(given)

    def percentage(self, name: str) -> float | None:
        """From 0 to 100; None where it is not there."""
        given = self._given.get(name)
        if given is None:
            return None
        if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})?", given) or float(given) > 100:
            self._wrong(name, f"must be a percentage from 0 to 100, got {shown(given)}")
            return None
        return float(given)

    def scopes(self) -> list[str]:
        """What is to be paused or resumed: any number of queues and labels, or all."""
        try:
            return read_scopes(
                queues=self._given.getall("queue", []),
                labels=self._given.getall("label", []),
                everything=self.flag("all"),
            )
        except FilterInvalid as exc:
            self._errors += exc.errors
            return []

    def bulk_actions(self, default: int, most: int) -> "BulkActionQuery":
        """What to do something to. No condition at all must be meant: `all=true`."""
        selection, everything = self.selection(), self.flag("all")
        if selection.is_empty is not everything:
            self._wrong("all", "give conditions, or all=true and none")
        return BulkActionQuery(
            selection=selection,
            limit=self.limit(default, most),
            cursor=self.cursor(),
            dry_run=self.flag("dry_run"),
        )

    def cursor(self) -> str | None:
        given = self._given.get("cursor")
        if given is not None and not _CURSOR.fullmatch(given):
            self.bad_cursor()
            return None
        return given

    async def known_cursor(self, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """The answer of what alone knows the form of its cursors, and raises `ValueError` for any other."""
        try:
            return await ask()
        except ValueError:
            self.bad_cursor()
            self.refuse_if_wrong()
            raise

    def bad_cursor(self) -> None:
        """Note that the cursor cannot be read."""
        self._wrong("cursor", "is not one that this API gave out; leave it away to start at the top")

    def refuse_if_wrong(self) -> None:
        if self._errors:
            detail = "; ".join(str(error) for error in self._errors)
            raise refuse(400, "bad_query", detail, self._errors)

    def _wrong(self, name: str, message: str) -> None:
        self._errors.append(FieldError(field=name, message=message))


async def _read(request: web.Request, limit: int) -> bytes:
    try:
        return await request.read()
    except web.HTTPRequestEntityTooLarge as exc:
        raise too_large(limit) from exc
    except web.RequestPayloadError as exc:
        raise refuse(400, "bad_request", "the body breaks the rules of its coding or was cut short") from exc


def _check_media_type(request: web.Request, also: Collection[str]) -> None:
    given = request.headers.get("Content-Type")
    if given == "application/json":
        return
    if given is None:
        # A page of another site can make a browser post without a type and without asking us first.
        if "Origin" in request.headers:
            raise refuse(415, "unsupported_media_type", "say what you send: Content-Type: application/json")
        return
    media_type = given.partition(";")[0].strip().lower()
    if media_type != "application/json" and not media_type.endswith("+json") and media_type not in also:
        raise refuse(
            415,
            "unsupported_media_type",
            f"send JSON with Content-Type: application/json, not {shown(given)}; "
            "curl -d needs -H 'Content-Type: application/json', or use curl --json",
        )
