"""Inspection and repair on Redis: a walk through all keys and sorted sets, by Redis' own cursors.

What is there during the whole walk is visited, some of it twice: https://redis.io/docs/latest/commands/scan/
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.status import Status
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.inspection_store import Flawed, Inspection, InspectionStore, Overdue
from taskrunner.stores.redis.fields import Argument, HashFields
from taskrunner.stores.redis.redis_connection import RedisPart

_OVERDUE = HashFields(Overdue)
_FLAWED = HashFields(Flawed)
# The records, then the sets in the order of `SETS` in entries.lua.
_STAGES = ("task:", *(f"in:{status}" for status in Status), "due", "deadlines", "dead")
_CURSOR = re.compile(r"(\d{1,2}):(\d{1,20})")


class RedisInspectionStore(RedisPart, InspectionStore):
    async def overdue(self, *, before: datetime, limit: int) -> Sequence[Overdue]:
        return _OVERDUE.values(await self.run("overdue", to_ms(before), limit))

    async def time(self) -> datetime | None:
        found = await self._connection.call_if_allowed("TIME")
        if found is None:
            return None
        seconds, micros = found
        return from_ms(int(seconds) * 1000 + int(micros) / 1000)

    async def inspect(self, *, cursor: str | None, limit: int) -> Inspection:
        """One command over the server's keys, or over one set, and one script for what it found."""
        place = WalkPosition.read(cursor)
        position, found = await self._connection.call(*place.command(self._prefix, limit))
        ids = place.ids(self._prefix, found)
        flawed = await self.run_batch("inspect", ids, lambda part: [place.stage, *part])
        return Inspection(looked=len(ids), flawed=_FLAWED.values(flawed), cursor=place.following(position))

    async def repair(
        self, ids: Sequence[str], *, now: datetime, lease_until: datetime, retention: float
    ) -> Sequence[bool]:
        moments = (to_ms(now), to_ms(lease_until), retention_ms(retention))
        return list(map(bool, await self.run_batch("repair", ids, lambda part: [*moments, *part])))


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPosition:
    """The position of a walk: stage 0 is the records, others are the set of that number."""

    stage: int = 0
    position: str = "0"

    @classmethod
    def read(cls, cursor: str | None) -> "WalkPosition":
        """The inverse of `following`. Raises `ValueError`."""
        if cursor is None:
            return cls()
        found = _CURSOR.fullmatch(cursor)
        if found is None or int(found[1]) >= len(_STAGES):
            raise ValueError(f"no cursor of an inspection: {cursor!r}")
        return cls(stage=int(found[1]), position=found[2])

    def following(self, position: bytes) -> str | None:
        """The cursor for the next part, when the server's own is `position`."""
        if position != b"0":
            return f"{self.stage}:{position.decode()}"
        return f"{self.stage + 1}:0" if self.stage + 1 < len(_STAGES) else None

    def command(self, prefix: str, count: int) -> Sequence[Argument]:
        """The command for the next part, of about `count` entries."""
        name = f"{prefix}{_STAGES[self.stage]}"
        if self.stage == 0:
            pattern = re.sub(r"([*?\[\]\\])", r"\\\1", name) + "*"
            return ("SCAN", self.position, "MATCH", pattern, "COUNT", count)
        return ("ZSCAN", name, self.position, "COUNT", count)

    def ids(self, prefix: str, found: Sequence[bytes]) -> list[bytes]:
        """The ids of tasks among what the server answered."""
        if self.stage == 0:
            start = len(f"{prefix}{_STAGES[0]}".encode())
            return [key[start:] for key in found]
        members = found[::2]
        if _STAGES[self.stage] != "dead":
            return list(members)
        return [member[2:] for member in members if member.startswith(b"t:")]
