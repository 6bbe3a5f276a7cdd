"""Audit entries on Redis: a hash by id, and a sorted set of the ids by time."""

from datetime import datetime

from taskrunner.domain.codec import encode
from taskrunner.domain.keys.audit import AuditEntry, first_audit_id
from taskrunner.stores.audit_store import AuditStore, decode_audit_entry
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.values import Page


class RedisAuditStore(RedisPart, AuditStore):
    async def append_audit(self, entry: AuditEntry) -> None:
        await self.run("append_audit", entry.id, encode(entry))

    async def audit_entries(self, *, limit: int, cursor: str | None) -> Page[AuditEntry]:
        more, *found = await self.run("list_audit", limit, cursor or "")
        page = [decode_audit_entry(encoded) for encoded in found]
        return Page(items=page, cursor=page[-1].id if more and page else None)

    async def prune_audit(self, *, before: datetime, most: int, limit: int) -> int:
        return int(await self.run("prune_audit", first_audit_id(before), most, limit))
