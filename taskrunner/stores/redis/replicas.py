"""The replicas of a Redis server: how many are connected, and whether they have a write.

https://redis.io/docs/latest/commands/wait/ and /waitaof/
"""

import re
from collections.abc import Sequence

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit, WriteUnconfirmed
from taskrunner.stores.redis.fitness import numbers
from taskrunner.stores.redis.redis_connection import RedisStoreConnection
from taskrunner.stores.redis.settings import RedisSettings

# From this version on a replica confirms that a write is on its disk, not only in its memory.
_WAITAOF = (7, 2)
# The share of a call's timeout that the server may wait; the rest is for the answer.
_WAIT_SHARE = 0.8
_MARK_MS = 60_000
_ONLINE = re.compile(rb"^slave\d+:.*\bstate=online\b", re.MULTILINE)


class Replicas:
    """Asks the server by `connection`; `mark` is a key for its own writes."""

    def __init__(
        self, connection: RedisStoreConnection, settings: RedisSettings, server: str, mark: str
    ) -> None:
        self._connection = connection
        self._required = settings.replicas
        self._wait_ms = int(settings.timeout * _WAIT_SHARE * 1000)
        self._server = server
        self._mark = mark
        self._had_enough = False

    async def check(self) -> None:
        """See `IntakeStore.check_replicas`."""
        found = len(_ONLINE.findall(await self._connection.call("INFO", "replication")))
        if found >= self._required:
            self._had_enough = True
            return
        lack = (
            f"Redis at {self._server} has {found} of the {self._required} replicas that must confirm writes"
        )
        if self._had_enough:
            raise StoreUnavailable(lack)
        raise StoreUnfit(
            f"{lack} (Store.replicas): attach them (REPLICAOF), or use the write concern broker or store"
        )

    async def wait(self, keys: Sequence[str]) -> None:
        """See `IntakeStore.replicate`.

        A server counts only what the same connection wrote, hence the mark. It may have replaced the server
        that took the write, hence the check of the keys.
        """
        version = self._connection.status().details["version"]
        on_disk = numbers(version) >= _WAITAOF
        wait = ("WAITAOF", 0, self._required) if on_disk else ("WAIT", self._required)
        _, found, answer = await self._connection.converse(
            ("SET", self._mark, "1", "PX", _MARK_MS),
            ("EXISTS", self._mark, *keys),
            (*wait, self._wait_ms),
        )
        if found < 1 + len(keys):
            raise WriteUnconfirmed(
                f"{1 + len(keys) - found} of {len(keys)} records that were written are not in Redis at "
                f"{self._server}: another server took its place, or it restarted"
            )
        confirmed = answer[1] if on_disk else answer
        if confirmed < self._required:
            where = " to be on their disks, which needs appendonly yes there" if on_disk else ""
            raise WriteUnconfirmed(
                f"{confirmed} of {self._required} replicas of Redis at {self._server} confirmed a write "
                f"within {self._wait_ms / 1000:g} s{where}"
            )
