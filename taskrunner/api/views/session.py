"""The views of a session of the console, and of who asks."""

from collections.abc import Sequence
from typing import Self

from taskrunner.api.views.view import View
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.task import AwareDatetime
from taskrunner.stores.base import KnownSession


class SessionView(View):
    """A session of the API key `key`. `current`: it is the one that this request came with.

    `origin` is the address that it was made from, `agent` what the browser calls itself. `last_used_at` is up
    to half a minute late. It ends at `expires_at`, with its key, or when it has not been used for a while.
    """

    id: str
    key: str
    created_at: AwareDatetime
    last_used_at: AwareDatetime | None
    expires_at: AwareDatetime
    origin: str | None
    agent: str | None
    current: bool

    @classmethod
    def of(cls, known: KnownSession, *, current: bool) -> Self:
        return cls.copy(known.session, last_used_at=known.last_used_at, current=current)


class SessionList(View):
    """The sessions of the key of the request, the oldest first; those of all keys for the scope `admin`."""

    sessions: Sequence[SessionView]


class AccessView(View):
    """Who asks: the API key, null where none is needed, and the id of the session, if there is one."""

    key: str | None
    scopes: Sequence[Scope]
    session: str | None
