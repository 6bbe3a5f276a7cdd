"""Values by name on Redis: each is one field of a hash."""

from collections.abc import Sequence

from taskrunner.stores.redis.fields import pairs
from taskrunner.stores.redis.redis_connection import RedisPart


class RedisNamedValues(RedisPart):
    """What keeps webhooks, executors and queues, encoded, in a hash of this name."""

    async def _save_named(self, kept_in: str, name: str, value: bytes, expected: bytes) -> bool:
        return bool(await self.run("save_named", kept_in, name, value, expected))

    async def _all_named(self, kept_in: str) -> Sequence[bytes]:
        found = dict(pairs(await self._connection.call("HGETALL", f"{self._prefix}{kept_in}")))
        return [found[name] for name in sorted(found)]
