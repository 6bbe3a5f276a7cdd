"""The audit entry: who did what to how many, when, and from where.

Submits are not audited: each task names the key that made it.
"""

import secrets
import shlex
from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import StrEnum

from taskrunner.domain.clock import to_ms
from taskrunner.domain.errors import FieldError, FilterInvalid
from taskrunner.domain.masking import masked_condition
from taskrunner.domain.tasks.task_filter import read_moment
from taskrunner.domain.value import Value

# The longest target in characters: some 50 ids.
_MAX_TARGET = 2000


class AuditSource(StrEnum):
    """Whether an action came through the API or from a command."""

    API = "api"
    CLI = "cli"


class AuditEntry(Value):
    """`id` is a UUIDv7, so that ids sort by time.

    `key` is the name of the API key, None for commands and where no key is needed. `origin` is the address
    of the client, or user and machine of a command. `target` is an id, a name, or the conditions as given.
    `count` is how many were changed; None if the action ended with an error, and nobody knows.
    """

    id: str
    at: datetime
    source: AuditSource
    key: str | None = None
    origin: str | None = None
    action: str
    target: str = ""
    count: int | None
    request_id: str | None = None


class Actor(Value):
    """Who acts, and from where; see `AuditEntry`."""

    source: AuditSource
    key: str | None = None
    origin: str | None = None
    request_id: str | None = None


# Each condition with its help text for the command line.
AUDIT_CONDITIONS: Mapping[str, str] = {
    "key": "the name of the API key",
    "action": "the action, such as tasks.cancel, or its beginning, such as tasks",
    "since": "a time (RFC 3339), or an age: 90s, 15m, 1h30m, 7d",
    "until": "the same",
}


class AuditFilter(Value):
    """All given conditions must hold. `action` may be a beginning: `keys` matches `keys.create`."""

    key: str | None = None
    action: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def matches(self, entry: AuditEntry) -> bool:
        return (
            self.key in {None, entry.key}
            and (self.action is None or f"{entry.action}.".startswith(f"{self.action}."))
            and (self.since is None or entry.at >= self.since)
            and (self.until is None or entry.at < self.until)
        )


def read_audit_filter(given: Mapping[str, str], *, now: datetime) -> AuditFilter:
    """The filter of conditions by name. Raises `FilterInvalid` with all findings."""
    errors: list[FieldError] = []
    moments: dict[str, datetime] = {}
    for name in ("since", "until"):
        try:
            if name in given:
                moments[name] = read_moment(given[name], now)
        except ValueError as exc:
            errors.append(FieldError(field=name, message=str(exc)))
    if errors:
        raise FilterInvalid(errors)
    return AuditFilter(key=given.get("key"), action=given.get("action"), **moments)


def new_audit_id(at: datetime) -> str:
    """A UUIDv7 (RFC 9562 section 5.7) of this moment."""
    version, variant = 7 << 12, 0b10 << 14
    groups = (version | secrets.randbits(12), variant | secrets.randbits(14))
    start = first_audit_id(at)[:13]
    return f"{start}-{groups[0]:04x}-{groups[1]:04x}-{secrets.randbits(48):012x}"


def audit_id_of(operation_id: str, at: datetime) -> str:
    """The id of the entry of an operation that ended at this moment: a UUIDv7 with the digits of its own."""
    return first_audit_id(at)[:13] + operation_id[13:]


def first_audit_id(at: datetime) -> str:
    """The first id that `new_audit_id` can give an entry of this moment."""
    digits = f"{max(0, to_ms(at)):012x}"
    return f"{digits[:8]}-{digits[8:]}-7000-8000-000000000000"


def ids_target(ids: Iterable[str]) -> str:
    """The target of an action on ids or names."""
    return _shortened(" ".join(ids))


def conditions_target(given: Iterable[tuple[str, str]]) -> str:
    """The target of an action on everything that meets conditions, as they are typed on a command line."""
    return _shortened(shlex.join(f"{name}={masked_condition(condition)}" for name, condition in given))


def _shortened(text: str) -> str:
    return text if len(text) <= _MAX_TARGET else f"{text[: _MAX_TARGET - 1]}…"
