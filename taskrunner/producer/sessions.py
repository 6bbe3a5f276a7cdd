"""Sessions of the console: made from an API key, known to every process with an API, and ended.

A session is good as long as the secret of its key is. All processes learn within a second that one has ended.
"""

from collections.abc import Sequence
from datetime import datetime

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import SessionUnknown
from taskrunner.domain.events import Events
from taskrunner.domain.keys.api_key import ApiKey, digest_of
from taskrunner.domain.keys.console_session import ConsoleSession, SessionSettings, new_session
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.last_uses import LastUses
from taskrunner.producer.shared_read import SharedRead
from taskrunner.runtime.service import Service
from taskrunner.stores.base import KnownSession, SessionStore

# Seconds between two reads.
_INTERVAL = 1.0
# Each browser needs one; of more, the oldest ends.
MAX_PER_KEY = 50


class Sessions(Service):
    """Each method may raise `StoreUnavailable`, but for `find_known`."""

    def __init__(
        self,
        store: SessionStore,
        keys: KeyWatch,
        events: Events,
        clock: Clock,
        settings: SessionSettings = SessionSettings(),  # noqa: B008 - frozen, so a default may be shared
    ) -> None:
        super().__init__("sessions", events)
        self._store = store
        self._keys = keys
        self._clock = clock
        self._settings = settings
        self._by_digest: dict[str, KnownSession] = {}
        self._uses = LastUses(store.note_session_uses, clock)
        self._reads = SharedRead("the sessions", self._read, clock)

    async def find(self, secret: str) -> tuple[ConsoleSession, ApiKey] | None:
        """The good session with this secret, and its key."""
        if digest_of(secret) not in self._by_digest:
            # Another process may just have made it.
            await self._reads.run_again()
        return self.find_known(secret)

    def find_known(self, secret: str) -> tuple[ConsoleSession, ApiKey] | None:
        """As `find`, among the sessions that were read before."""
        known = self._by_digest.get(digest_of(secret))
        if known is None or self._is_over(known):
            return None
        key = self._keys.used(self._key_of(known.session))
        if key is None:
            return None
        self._uses.noted[known.session.id] = self._clock.now()
        return known.session, key

    async def create(
        self, key: ApiKey, key_secret: str, *, origin: str | None, agent: str | None
    ) -> tuple[ConsoleSession, str]:
        """A session of a good key, and its secret."""
        session, secret = new_session(
            key,
            digest_of(key_secret),
            now=self._clock.now(),
            lifetime=self._settings.session_lifetime,
            origin=origin,
            agent=agent,
        )
        await self._store.save_session(session)
        await self._reads.run()
        own = [known.session.id for known in self._by_digest.values() if known.session.key == key.name]
        if len(own) > MAX_PER_KEY:
            await self._end(own[: len(own) - MAX_PER_KEY])
        return session, secret

    async def list(self, key: str | None) -> Sequence[KnownSession]:
        """The good sessions of a key, or of all, the oldest first."""
        await self._reads.run()
        return [
            KnownSession(session=known.session, last_used_at=self._last_use(known))
            for known in self._by_digest.values()
            if key in {None, known.session.key} and not self._is_over(known) and self._key_of(known.session)
        ]

    async def end(self, session_id: str, key: str | None) -> None:
        """End a session of a key, or of any. Raises `SessionUnknown`."""
        if all(known.session.id != session_id for known in await self.list(key)):
            raise SessionUnknown(f"no session has the id {session_id!r}; GET /sessions lists them")
        await self._end([session_id])

    async def turn(self) -> float:
        await self._reads.run()
        over = [known.session.id for known in self._by_digest.values() if self._is_over(known)]
        if over:
            await self._end(over)
        await self._uses.write_if_due()
        return _INTERVAL

    async def _read(self) -> None:
        self._by_digest = {known.session.digest: known for known in await self._store.console_sessions()}

    async def _end(self, ids: Sequence[str]) -> None:
        await self._store.end_sessions(ids)
        self._by_digest = {
            digest: known for digest, known in self._by_digest.items() if known.session.id not in ids
        }

    def _is_over(self, known: KnownSession) -> bool:
        return known.session.is_over(
            self._clock.now(),
            last_used_at=self._last_use(known),
            idle_timeout=self._settings.session_idle_timeout,
        )

    def _key_of(self, session: ConsoleSession) -> ApiKey | None:
        """Its key, while the secret that it was made with is good."""
        key = self._keys.good_key(session.key_digest)
        return key if key is not None and key.name == session.key else None

    def _last_use(self, known: KnownSession) -> datetime | None:
        uses = [
            each for each in (known.last_used_at, self._uses.noted.get(known.session.id)) if each is not None
        ]
        return max(uses, default=None)
