"""An API key: who may use the API, for what, and until when.

A key is shown once, when it is made. What is kept is its SHA-256: a key has too many random bits to be
guessed from it, so a slow password hash would only slow down each request.
"""

import hashlib
import re
import secrets
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any

from taskrunner.domain.errors import FieldError, KeyInvalid
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.rate_limit import RateLimiter
from taskrunner.domain.value import Value

PREFIX = "tr_"
# 192 bits, in 32 characters; at least 160 bits are asked of a key that somebody else made.
_RANDOM_BYTES = 24
_SECRET = re.compile(rf"{PREFIX}[A-Za-z0-9_-]{{27,200}}")
NAME_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Enough to tell keys apart in a list.
_SHOWN_CHARACTERS = len(PREFIX) + 4
# The limits that only a key with a namespace can have.
_OF_OWN_TASKS = ("max_live_tasks", "max_stored_bytes")


class Scope(StrEnum):
    """What a key allows.

    - `SUBMIT`: submit tasks, create and change schedules.
    - `READ`: read tasks, dead letters and schedules.
    - `OPERATE`: cancel, delete, requeue and pause tasks, pause and delete schedules, change limits.
    - `ADMIN`: everything, keys included.
    - `READ_ALL`: the tasks of all keys, and what belongs to none, such as hosts and statistics. A key without
      it sees and changes only its own.
    """

    SUBMIT = "submit"
    READ = "read"
    OPERATE = "operate"
    ADMIN = "admin"
    READ_ALL = "read:all"


class ApiKey(Value):
    """`name` is unique for ever, since tasks name the key that made them. `hint` is how the key begins.

    A key of the configuration has no `created_at`. After a rotation the secret before it is good until
    `previous_until`.
    """

    name: str
    digest: str
    hint: str
    scopes: tuple[Scope, ...]
    owner: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    revoked_at: datetime | None = None
    previous_digest: str | None = None
    previous_until: datetime | None = None
    rate: float | None = None
    burst: int | None = None
    max_live_tasks: int | None = None
    max_stored_bytes: int | None = None

    @property
    def limiter(self) -> RateLimiter | None:
        """The limit of its requests; `burst` is by default a second's worth."""
        if self.rate is None:
            return None
        return RateLimiter(interval=1.0 / self.rate, burst=self.burst or max(1, int(self.rate)))

    @property
    def has_quota(self) -> bool:
        """Whether it is limited in what it may have in the store."""
        return self.max_live_tasks is not None or self.max_stored_bytes is not None

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or Scope.ADMIN in self.scopes

    def is_over(self, now: datetime) -> bool:
        """Whether it was revoked or has expired."""
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= now)

    def is_good(self, now: datetime, *, digest: str) -> bool:
        """Whether the key with this digest can be used now."""
        if self.is_over(now):
            return False
        return digest == self.digest or (self.previous_until is not None and now < self.previous_until)

    @property
    def digests(self) -> tuple[str, ...]:
        return (self.digest,) if self.previous_digest is None else (self.digest, self.previous_digest)


def configured_key(
    name: str,
    secret: str,
    scopes: tuple[Scope, ...],
    **limits: Any,
) -> ApiKey:
    """A key of the configuration; `limits` are the fields of `KeyLimit`."""
    return check_limits(
        ApiKey(
            name=name,
            digest=digest_of(secret),
            hint=hint_of(secret),
            scopes=scopes,
            **limits,
        )
    )


def check_limits(key: ApiKey) -> ApiKey:
    """Raises `KeyInvalid` for a limit that cannot be counted: only a namespace has an index of its own."""
    message = f"needs a key that sees only its own tasks; {key.name!r} has the scope read:all or admin"
    errors = [FieldError(field=name, message=message) for name in _OF_OWN_TASKS if getattr(key, name)]
    if errors and key.allows(Scope.READ_ALL):
        raise KeyInvalid(errors)
    return key


def new_secret() -> str:
    """A new key, for `Authorization: Bearer`."""
    return PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(secret: str) -> str:
    """The SHA-256 of a key, in hexadecimal."""
    return hashlib.sha256(secret.encode(errors="surrogateescape")).hexdigest()


def hint_of(secret: str) -> str:
    """The first characters of a key."""
    return secret[:_SHOWN_CHARACTERS]


def check_secret(secret: str) -> str:
    """Raises `ValueError`, without the key, for one that can be guessed."""
    if not _SECRET.fullmatch(secret):
        raise ValueError(
            f"must be {PREFIX} and at least 27 letters, digits, - or _ (160 random bits); "
            "`taskrunner keys generate` prints one"
        )
    return secret


def read_name(text: str) -> str:
    """Raises `ValueError` for a name that no key can have."""
    if not NAME_PATTERN.fullmatch(text):
        raise ValueError(f"must be 1 to 63 lower-case letters, digits, - or _, got {shown(text)}")
    return text


def check_name(name: str) -> str:
    """Raises `KeyInvalid`."""
    try:
        return read_name(name)
    except ValueError as exc:
        raise KeyInvalid([FieldError(field="name", message=str(exc))]) from exc


def read_scopes(given: Iterable[str]) -> tuple[Scope, ...]:
    """Raises `KeyInvalid`."""
    scopes, errors = [], []
    for text in given:
        try:
            scopes.append(Scope(text))
        except ValueError:
            hint = did_you_mean(text, list(Scope))
            message = f"must be one of {', '.join(Scope)}, got {shown(text)}{hint}"
            errors.append(FieldError(field="scopes", message=message))
    if not scopes and not errors:
        errors.append(FieldError(field="scopes", message="give at least one"))
    if errors:
        raise KeyInvalid(errors)
    return tuple(dict.fromkeys(scopes))
