"""A session of the console: what a browser has in place of an API key, until it ends with that key or before.

A browser gets a secret in a cookie that no script can read. What is kept is its SHA-256, as of a key.
"""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from taskrunner.domain.keys.api_key import ApiKey, digest_of
from taskrunner.domain.value import Value

# 192 bits; they need no form of their own, since they travel in a cookie that has a name.
_RANDOM_BYTES = 24
_ID_BYTES = 8
_MAX_AGENT = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """A session ends `idle_timeout` after its last use, and `lifetime` after it was made; in seconds."""

    session_idle_timeout: float = 12 * 3600.0
    session_lifetime: float = 7 * 86_400.0


class ConsoleSession(Value):
    """`id` names it and opens nothing. `key` names its API key, `key_digest` the secret it was made with.

    `origin` is the address of the browser that it was made in, `agent` what the browser calls itself.
    """

    id: str
    digest: str
    key: str
    key_digest: str
    created_at: datetime
    expires_at: datetime
    origin: str | None = None
    agent: str | None = None

    def is_over(self, now: datetime, *, last_used_at: datetime | None, idle_timeout: float) -> bool:
        """Whether its time is over; it also ends with its key."""
        idle_since = last_used_at or self.created_at
        return now >= self.expires_at or now >= idle_since + timedelta(seconds=idle_timeout)


def new_session(
    key: ApiKey, key_digest: str, *, now: datetime, lifetime: float, origin: str | None, agent: str | None
) -> tuple[ConsoleSession, str]:
    """A session with its secret, which nobody can show again."""
    secret = secrets.token_urlsafe(_RANDOM_BYTES)
    session = ConsoleSession(
        id=secrets.token_hex(_ID_BYTES),
        digest=digest_of(secret),
        key=key.name,
        key_digest=key_digest,
        created_at=now,
        expires_at=now + timedelta(seconds=lifetime),
        origin=origin,
        agent=agent and agent[:_MAX_AGENT],
    )
    return session, secret
