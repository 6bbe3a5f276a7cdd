"""Key administration: create, list, revoke and rotate API keys.

Each change is conditional on the state of the key that it was made from.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from taskrunner.domain.clock import Clock
from taskrunner.domain.errors import FieldError, KeyInvalid, KeyUnknown, StateConflict
from taskrunner.domain.keys.api_key import (
    ApiKey,
    Scope,
    check_limits,
    check_name,
    digest_of,
    hint_of,
    new_secret,
)
from taskrunner.domain.keys.api_key_draft import KeyLimit, KeyLimitPatch
from taskrunner.domain.tasks.submitter import namespace_for
from taskrunner.domain.value import Value, replace
from taskrunner.producer.change_check import MAX_TRIES, Check, allow
from taskrunner.producer.shared_read import Refresh, no_refresh
from taskrunner.producer.storage_quota import StorageQuota
from taskrunner.stores.base import KnownKey, Store

NO_LIMIT = KeyLimit()
# More tasks than any store has: who asks for the list wants to know how many there are.
_ALL = 2**62


class NewKey(Value):
    """A key with its secret, which nobody can show again."""

    key: ApiKey
    secret: str


class KeyAdmin:
    """Every method may raise `StoreUnavailable`, those that take a known name `KeyUnknown`."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        configured: Callable[[], Sequence[ApiKey]] = tuple,
        storage: StorageQuota | None = None,
        refresh: Refresh = no_refresh,
    ) -> None:
        """Without `storage`, nobody is told how much is stored. `refresh` is called after each change."""
        self._refresh = refresh
        self._store = store
        self._clock = clock
        self._storage = storage
        self._get_configured = configured

    @property
    def _configured(self) -> dict[str, ApiKey]:
        return {key.name: key for key in self._get_configured()}

    async def create(
        self,
        name: str,
        scopes: tuple[Scope, ...],
        *,
        owner: str | None,
        expires_at: datetime | None,
        limit: KeyLimit = NO_LIMIT,
    ) -> NewKey:
        """Raises `KeyInvalid`, and `StateConflict` if the name is taken, be it by a revoked key."""
        now = self._clock.now()
        check_name(name)
        if expires_at is not None and expires_at <= now:
            raise KeyInvalid([FieldError(field="expires_at", message="must be in the future")])
        secret = new_secret()
        key = ApiKey(
            name=name,
            digest=digest_of(secret),
            hint=hint_of(secret),
            scopes=scopes,
            owner=owner,
            created_at=now,
            expires_at=expires_at,
            **limit.limits,
        )
        check_limits(key)
        if name in self._configured or not await self._store.save_api_key(key, expected=None):
            raise StateConflict(
                f"there is a key {name!r} already, and tasks name it for ever: rotate that one, or choose "
                "another name"
            )
        await self._refresh()
        return NewKey(key=key, secret=secret)

    async def list(self) -> Sequence[KnownKey]:
        """All keys by name with their use, revoked ones included, and those of the configuration."""
        known = await self._known()
        limited = [each.key for each in known if each.key.max_live_tasks is not None]
        counts = await self._store.count_live(dict.fromkeys(map(namespace_for, limited), _ALL))
        live = {key.name: counts[namespace_for(key)] for key in limited}
        limited = [each.key for each in known if each.key.max_stored_bytes is not None]
        found = [] if self._storage is None else await self._storage.stored(limited)
        stored = {key.name: size for key, size in zip(limited, found, strict=False)}
        return [
            replace(each, live_tasks=live.get(each.key.name), stored=stored.get(each.key.name))
            for each in known
        ]

    async def get(self, name: str) -> KnownKey:
        """One key, be it revoked or of the configuration; its use would change its entity tag."""
        found = next((known for known in await self._known() if known.key.name == name), None)
        if found is None:
            raise _unknown(name)
        return found

    async def _known(self) -> Sequence[KnownKey]:
        stored = {known.key.name: known for known in await self._store.api_keys()}
        uses = await self._store.api_key_uses() if self._configured else {}
        configured = {
            name: KnownKey(key=key, last_used_at=uses.get(name))
            for name, key in self._configured.items()
            if name not in stored
        }
        return [known for _, known in sorted((stored | configured).items())]

    async def revoke(self, name: str, *, check: Check[KnownKey] = allow) -> KnownKey:
        """The key is refused everywhere within a second. No effect on one that is revoked."""
        return await self._change(
            name, lambda key: key if key.revoked_at else replace(key, revoked_at=self._clock.now()), check
        )

    async def limit(self, name: str, patch: KeyLimitPatch, *, check: Check[KnownKey] = allow) -> KnownKey:
        """Change the limit of the key, everywhere within a second. Raises `KeyInvalid`."""

        def change(key: ApiKey) -> ApiKey:
            return check_limits(replace(key, **patch.applied(key).limits))

        return await self._change(name, change, check)

    async def rotate(self, name: str, *, grace: float = 0.0, check: Check[KnownKey] = allow) -> NewKey:
        """Give the key another secret; the present one is good for `grace` more seconds."""
        secret, now = new_secret(), self._clock.now()

        def change(key: ApiKey) -> ApiKey:
            if key.revoked_at is not None:
                raise StateConflict(f"key {name!r} is revoked; create a key with another name")
            return replace(
                key,
                digest=digest_of(secret),
                hint=hint_of(secret),
                previous_digest=key.digest if grace else None,
                previous_until=now + timedelta(seconds=grace) if grace else None,
            )

        return NewKey(key=(await self._change(name, change, check)).key, secret=secret)

    async def _change(
        self, name: str, change: Callable[[ApiKey], ApiKey], check: Check[KnownKey]
    ) -> KnownKey:
        """`check` sees the key that the change replaces, so that nothing can come between but its use."""
        for _ in range(MAX_TRIES):
            known = next((each for each in await self._store.api_keys() if each.key.name == name), None)
            if known is None and name in self._configured:
                raise StateConflict(f"key {name!r} is one of the configuration (Api.keys); change it there")
            if known is None:
                raise _unknown(name)
            check(known)
            changed = change(known.key)
            if changed is known.key:
                return known
            if await self._store.save_api_key(changed, expected=known.key):
                await self._refresh()
                return replace(known, key=changed)
        raise StateConflict(f"key {name!r} is being changed by others; try again")


def _unknown(name: str) -> KeyUnknown:
    return KeyUnknown(f"no key has the name {name!r}; `taskrunner keys list` shows all")
