"""The replicas of a Redis: how many are there, and whether they have what was written.

https://redis.io/docs/latest/commands/wait/ and /waitaof/
"""

import re
from collections.abc import Sequence

from taskrunner.domain.errors import StoreUnavailable, StoreUnfit, WriteUnconfirmed
from taskrunner.stores.redis.fitness import numbers
from taskrunner.stores.redis.redis_connection import RedisStoreConnection
from taskrunner.stores.redis.settings import RedisSettings

# From this version on a replica can tell that it is on its disk, and not only in its memory.
_WAITAOF = (7, 2)
# Of a call's timeout, the share that the server spends waiting: the rest is for telling of it.
_WAIT_SHARE = 0.8
_MARK_MS = 60_000
_ONLINE = re.compile(rb"^slave\d+:.*\bstate=online\b", re.MULTILINE)


class Replicas:
    """Asks the server by `link`; `mark` is a key that it may write."""

    def __init__(self, link: RedisStoreConnection, settings: RedisSettings, server: str, mark: str) -> None:
        self._link = link
        self._wanted = settings.replicas
        self._wait_ms = int(settings.timeout * _WAIT_SHARE * 1000)
        self._server = server
        self._mark = mark
        self._had_enough = False

    async def check(self) -> None:
        """See `Store.check_replicas`."""
        found = len(_ONLINE.findall(await self._link.call("INFO", "replication")))
        if found >= self._wanted:
            self._had_enough = True
            return
        lack = (
            f"Redis at {self._server} has {found} of the {self._wanted} replicas that are to confirm writes"
        )
        if self._had_enough:
            raise StoreUnavailable(lack)
        raise StoreUnfit(
            f"{lack} (Store.replicas): attach them (REPLICAOF), or use the write concern broker or store"
        )

    async def wait(self, keys: Sequence[str]) -> None:
        """See `Store.replicate`. A server counts what the same connection wrote: hence the mark.

        It may be another server than the one that took the write, hence the look at the keys.
        """
        version = self._link.status().details["version"]
        on_disk = numbers(version) >= _WAITAOF
        wait = ("WAITAOF", 0, self._wanted) if on_disk else ("WAIT", self._wanted)
        _, found, answer = await self._link.converse(
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
        if confirmed < self._wanted:
            where = " to be on their disks, which needs appendonly yes there" if on_disk else ""
            raise WriteUnconfirmed(
                f"{confirmed} of {self._wanted} replicas of Redis at {self._server} confirmed a write within "
                f"{self._wait_ms / 1000:g} s{where}"
            )
