"""The key watch knows, in every process with an API, which keys are good, and remembers their use."""

import asyncio
import hmac
from collections.abc import Iterable, Sequence
from datetime import datetime

from taskrunner.domain.api_key import ApiKey, digest_of
from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import ConfigInvalid, FieldError, OutsideError, StoreUnavailable
from taskrunner.domain.events import Events
from taskrunner.runtime.service import Service
from taskrunner.stores.base import ApiKeyStore

# Seconds between two reads: a revocation takes effect everywhere within this time.
INTERVAL = 1.0
# An unknown key may be a new one, and is looked up at once; but reads are at least this many seconds apart.
_LOOK_AGAIN = 0.2
# Seconds between two writes of the last uses.
_NOTE_INTERVAL = 30.0
_TAKEN = "a key in the store, and tasks name it for ever; give the key of the configuration another name"


class KeyWatch(Service):
    """Keys of the configuration are good from the start, those of the store from the first read on."""

    def __init__(
        self, store: ApiKeyStore, events: Events, clock: Clock, configured: Iterable[ApiKey] = ()
    ) -> None:
        super().__init__("key watch", events)
        self._store = store
        self._clock = clock
        self._configured = tuple(configured)
        self._stored: Sequence[ApiKey] = ()
        self._uses: dict[str, datetime] = {}
        self._noted_at = -_NOTE_INTERVAL
        # When the last read that has ended began, and why it failed.
        self._read_at = -_LOOK_AGAIN
        self._failure: OutsideError | None = None
        # One read at a time: of two, the older might end last, and bring a revoked key back.
        self._reading = asyncio.Lock()
        self.is_known = False
        # From the first key on, and for as long as this process runs: the last one that leaves opens nothing.
        self.is_needed = False
        self._know(())

    def configure(self, keys: Iterable[ApiKey]) -> None:
        """Replace the keys of the configuration."""
        self._configured = tuple(keys)
        self._know(self._stored)

    def check_names(self, keys: Iterable[ApiKey]) -> None:
        """Raises `ConfigInvalid` for keys of a configuration that are named as keys of the store.

        Tasks name the key that made them, so one name is one key; a revoked key keeps its name.
        """
        stored = {key.name for key in self._stored}
        errors = [
            FieldError(field=f"Api.keys.{key.name}", message=f"is the name of {_TAKEN}")
            for key in keys
            if key.name in stored
        ]
        if errors:
            raise ConfigInvalid(errors)

    @property
    def configured(self) -> tuple[ApiKey, ...]:
        return self._configured

    async def find(self, secret: str) -> ApiKey | None:
        """The good key with this secret. Raises `StoreUnavailable` if it may be one that cannot be read."""
        if digest_of(secret) not in self._by_digest:
            await self._read_again()
        return self.find_known(secret)

    def find_known(self, secret: str) -> ApiKey | None:
        """As `find`, among the keys that were read before."""
        digest = digest_of(secret)
        key = self._by_digest.get(digest)
        now = self._clock.now()
        if key is None or not any(hmac.compare_digest(digest, each) for each in key.digests):
            return None
        if not key.is_good(now, digest=digest):
            return None
        self._uses[key.name] = now
        return key

    async def turn(self) -> float:
        async with self._reading:
            await self._read()
        now = self._clock.monotonic()
        if self._uses and now - self._noted_at >= _NOTE_INTERVAL:
            self._noted_at = now
            uses, self._uses = self._uses, {}
            try:
                await self._store.note_api_key_uses(uses)
            except OutsideError:
                self._uses = uses | self._uses
                raise
        return INTERVAL

    async def _read_again(self) -> None:
        """A read that begins after this call: the key may be new. Whoever guesses keys has to wait for it."""
        asked_at = self._clock.monotonic()
        async with self._reading:
            if self._read_at <= asked_at:
                await asyncio.sleep(max(0.0, self._read_at + _LOOK_AGAIN - asked_at))
                await self._read()
            elif self._failure is not None:
                # Others have asked meanwhile, in vain. A 401 would tell the client that its key is bad.
                raise StoreUnavailable(f"the API keys cannot be read: {self._failure}")

    async def _read(self) -> None:
        began_at = self._clock.monotonic()
        try:
            stored = await self._store.api_keys()
        except OutsideError as exc:
            self._read_at, self._failure = began_at, exc
            raise
        self._read_at, self._failure = began_at, None
        self._know([known.key for known in stored])
        self.is_known = True

    def _know(self, stored: Sequence[ApiKey]) -> None:
        self._stored = stored
        keys = (*stored, *self._configured)
        self._by_digest = {digest: key for key in keys for digest in key.digests}
        self.names = frozenset(key.name for key in keys)
        self.is_needed = self.is_needed or bool(keys)
