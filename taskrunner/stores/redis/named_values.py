"""Values by name on Redis: each is one field of a hash."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from taskrunner.domain.codec import encode
from taskrunner.stores.named_value import NamedValue
from taskrunner.stores.redis.fields import pairs
from taskrunner.stores.redis.redis_connection import RedisPart

Decoded = TypeVar("Decoded")


class RedisNamedValues(RedisPart):
    """Keeps webhooks, executors, queues and cursors, each kind in the hash of this name."""

    async def _save_named(self, kept_in: str, value: NamedValue, expected: NamedValue | None) -> bool:
        before = b"" if expected is None else encode(expected)
        return bool(await self.run("save_named", kept_in, value.name, encode(value), before))

    async def _delete_named(self, kept_in: str, expected: NamedValue) -> bool:
        return bool(await self.run("save_named", kept_in, expected.name, b"", encode(expected)))

    async def _all_named(self, kept_in: str, decode: Callable[[bytes], Decoded]) -> Sequence[Decoded]:
        found = dict(pairs(await self._connection.call("HGETALL", f"{self._prefix}{kept_in}")))
        return [decode(found[name]) for name in sorted(found)]
