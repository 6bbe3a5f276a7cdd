"""API keys on Redis: each is one field of a hash, and its last use one of another."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import encode
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.stores.api_key_store import ApiKeyStore, KnownKey, decode_api_key
from taskrunner.stores.redis.fields import pairs
from taskrunner.stores.redis.redis_connection import RedisPart


class RedisApiKeyStore(RedisPart, ApiKeyStore):
    async def save_api_key(self, key: ApiKey, *, expected: ApiKey | None) -> bool:
        before = b"" if expected is None else encode(expected)
        return bool(await self.run("save_api_key", key.name, encode(key), before))

    async def api_keys(self) -> Sequence[KnownKey]:
        uses = dict(pairs(await self._connection.call("HGETALL", f"{self._prefix}api-key-uses")))
        found = dict(pairs(await self._connection.call("HGETALL", f"{self._prefix}api-keys")))
        return [_known(found[name], uses.get(name)) for name in sorted(found)]

    async def api_key_uses(self) -> Mapping[str, datetime]:
        uses = pairs(await self._connection.call("HGETALL", f"{self._prefix}api-key-uses"))
        return {name.decode(): from_ms(float(used)) for name, used in uses}

    async def note_api_key_uses(self, uses: Mapping[str, datetime]) -> None:
        if uses:
            flat = [each for name, moment in uses.items() for each in (name, to_ms(moment))]
            await self._connection.call("HSET", f"{self._prefix}api-key-uses", *flat)


def _known(encoded: bytes, used: bytes | None) -> KnownKey:
    last = None if used is None else from_ms(float(used))
    return KnownKey(key=decode_api_key(encoded), last_used_at=last)
