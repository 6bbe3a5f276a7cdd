"""The view of an API key, and what a client sends to make one."""

from collections.abc import Sequence
from typing import Self

from taskrunner.api.views.view import View
from taskrunner.domain.api_key import ApiKey, Scope
from taskrunner.domain.task import AwareDatetime
from taskrunner.stores.base import KnownKey


class ApiKeyView(View):
    """A key, without its secret: `hint` is how it begins. One of the configuration has no `created_at`.

    `rate` is in requests per second, `burst` in requests at once. `last_used_at` is up to half a minute late.
    `live_tasks` is told by `GET /keys` where they are limited.
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

    @classmethod
    def of(cls, known: KnownKey) -> Self:
        return cls.copy(known.key, last_used_at=known.last_used_at, live_tasks=known.live_tasks)

    @classmethod
    def of_key(cls, key: ApiKey, **more: str) -> Self:
        return cls.copy(key, last_used_at=None, live_tasks=None, **more)


class NewApiKeyView(ApiKeyView):
    """A key that was just made, or rotated, with its secret: nobody can show it again."""

    secret: str


class ApiKeyList(View):
    """All keys by name, revoked ones included."""

    keys: Sequence[ApiKeyView]
