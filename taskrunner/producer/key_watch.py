"""The key watch knows, in every process with an API, which keys are good, and remembers their use."""

import hmac
from collections.abc import Iterable, Sequence

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import ConfigInvalid, FieldError
from taskrunner.domain.events import Events
from taskrunner.domain.keys.api_key import ApiKey, digest_of
from taskrunner.domain.process_events import KeyNamesClash
from taskrunner.producer.last_uses import LastUses
from taskrunner.producer.shared_read import SharedRead
from taskrunner.runtime.service import Service
from taskrunner.stores.base import ApiKeyStore

# Seconds between two reads: a revocation takes effect everywhere within this time.
INTERVAL = 1.0
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
        self._uses = LastUses(store.note_api_key_uses, clock)
        self._reads = SharedRead("the API keys", self._read, clock)
        self._told: set[str] = set()
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
        digest = digest_of(secret)
        if digest not in self._by_digest:
            # It may be a new one.
            await self._reads.run_again()
        return self.used(self.good_key(digest))

    def find_known(self, secret: str) -> ApiKey | None:
        """As `find`, among the keys that were read before."""
        return self.used(self.good_key(digest_of(secret)))

    def good_key(self, digest: str) -> ApiKey | None:
        """The good key whose secret has this SHA-256."""
        key = self._by_digest.get(digest)
        if key is None or not any(hmac.compare_digest(digest, each) for each in key.digests):
            return None
        return key if key.is_good(self._clock.now(), digest=digest) else None

    def used(self, key: ApiKey | None) -> ApiKey | None:
        """Remember that a key, if it is one, was used now."""
        if key is not None:
            self._uses.noted[key.name] = self._clock.now()
        return key

    async def refresh(self) -> None:
        """Put a change of this process in force at once."""
        await self._reads.refresh()

    async def turn(self) -> float:
        await self._reads.run()
        await self._uses.write_if_due()
        return INTERVAL

    async def _read(self) -> None:
        self._know([known.key for known in await self._store.api_keys()])
        self.is_known = True
        self._tell_clash()

    def _tell_clash(self) -> None:
        """A key may get a name while the store cannot be read, or by a process with other settings."""
        clash = {key.name for key in self._stored} & {key.name for key in self._configured}
        if clash - self._told:
            self._events.emit(KeyNamesClash(names=tuple(sorted(clash))))
        self._told = clash

    def _know(self, stored: Sequence[ApiKey]) -> None:
        self._stored = stored
        keys = (*stored, *self._configured)
        self._by_digest = {digest: key for key in keys for digest in key.digests}
        self.all = keys
        self.names = frozenset(key.name for key in keys)
        self.is_needed = self.is_needed or bool(keys)
