"""The view of an API key, and what a client sends to make one."""

from collections.abc import Sequence
from typing import Self

from taskrunner.api.views.view import View
from taskrunner.domain.keys.api_key import ApiKey, Scope
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.stores.base import KnownKey


class ApiKeyView(View):
    """A key, without its secret: `hint` is how it begins. One of the configuration has no `created_at`.

    `rate` is in requests per second, `burst` in requests at once. `last_used_at` is up to half a minute late.
    `GET /keys` tells `live_tasks` and `stored_bytes` where they are limited; the latter were counted from
    `stored_bytes_at` on.
    """

    name: str
    hint: str
    scopes: Sequence[Scope]
    owner: str | None
    created_at: AwareDatetime | None
    expires_at: AwareDatetime | None
    revoked_at: AwareDatetime | None
    previous_until: AwareDatetime | None
    last_used_at: AwareDatetime | None
    rate: float | None
    burst: int | None
    max_live_tasks: int | None
    live_tasks: int | None
    max_stored_bytes: int | None
    stored_bytes: int | None
    stored_bytes_at: AwareDatetime | None

    @classmethod
    def of(cls, known: KnownKey, **more: str) -> Self:
        stored = known.stored
        return cls.copy(
            known.key,
            last_used_at=known.last_used_at,
            live_tasks=known.live_tasks,
            stored_bytes=None if stored is None else stored.size_bytes,
            stored_bytes_at=None if stored is None else stored.at,
            **more,
        )

    @classmethod
    def of_key(cls, key: ApiKey, **more: str) -> Self:
        return cls.of(KnownKey(key=key, last_used_at=None), **more)


class NewApiKeyView(ApiKeyView):
    """A key that was just made, or rotated, with its secret: nobody can show it again."""

    secret: str


class ApiKeyList(View):
    """All keys by name, revoked ones included."""

    keys: Sequence[ApiKeyView]
