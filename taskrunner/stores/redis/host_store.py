"""Hosts on Redis: an entry is one field of a hash, "<version> <until, ms> <state>"."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import storable
from taskrunner.stores.host_store import HostAnswer, HostEdit, HostEntry, HostStore
from taskrunner.stores.redis.fields import Argument, pairs
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.values import Place


class RedisHostStore(RedisPart, HostStore):
    async def write_hosts(self, edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        def arguments(part: Sequence[HostEdit]) -> list[Argument]:
            args: list[Argument] = [to_ms(now)]
            for edit in part:
                entry = edit.entry
                args += (storable(entry.host), edit.expected or "", entry.version)
                args += (to_ms(entry.until), entry.encoded)
            return args

        found = await self.run_batch("write_hosts", edits, arguments, lambda edit: len(edit.entry.encoded))
        return [_answer(edit.entry.host, answer) for edit, answer in zip(edits, found, strict=True)]

    async def hosts(self, hosts: Sequence[str]) -> Sequence[HostEntry | None]:
        if not hosts:
            return []
        found = await self._connection.call("HMGET", f"{self._prefix}hosts", *map(storable, hosts))
        return [
            None if entry is None else _entry(host, entry) for host, entry in zip(hosts, found, strict=True)
        ]

    async def live_hosts(
        self, *, now: datetime, limit: int, after: Place | None = None
    ) -> Sequence[HostEntry]:
        begin = ("", "") if after is None else (after.ms, storable(after.id))
        found = await self.run("live_hosts", to_ms(now), limit, *begin)
        return [_entry(host.decode(), entry) for host, entry in pairs(found)]

    async def change_host_limit(self, pattern: str, encoded: bytes | None, *, expected: bytes | None) -> bool:
        return bool(await self.run("change_host_limit", storable(pattern), expected or "", encoded or ""))

    async def host_limits(self) -> Mapping[str, bytes]:
        found = await self._connection.call("HGETALL", f"{self._prefix}host-limits")
        return {pattern.decode(): encoded for pattern, encoded in pairs(found)}


def _answer(host: str, found: Sequence[Any]) -> HostAnswer:
    if found[0]:
        return HostAnswer(written=True)
    return HostAnswer(written=False, current=_entry(host, found[1]) if found[1] else None)


def _entry(host: str, found: bytes) -> HostEntry:
    version, until, encoded = found.split(b" ", 2)
    return HostEntry(host=host, version=version.decode(), encoded=encoded, until=from_ms(float(until)))
