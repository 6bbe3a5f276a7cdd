"""Inspection and repair on Redis: a walk through all keys and sorted sets, by Redis' own cursors.

What is there during the whole walk is visited, some of it twice: https://redis.io/docs/latest/commands/scan/
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.tasks.status import Status
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.inspection_store import Flawed, Inspection, InspectionStore, Overdue
from taskrunner.stores.redis.fields import Argument, HashFields
from taskrunner.stores.redis.redis_connection import RedisPart

_OVERDUE = HashFields(Overdue)
_FLAWED = HashFields(Flawed)
# The records, then the sets in the order of `SETS` in entries.lua.
_STAGES = ("task:", *(f"in:{status}" for status in Status), "due", "deadlines", "dead")
# Those of which every namespace has its own: `LISTS` in entries.lua.
_LISTS = tuple(number for number, name in enumerate(_STAGES) if name == "dead" or name.startswith("in:"))
_CURSOR = re.compile(r"(\d{1,2}):(\d{1,20}):(.*)", re.DOTALL)


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
        flawed = await self.run_batch("inspect", ids, lambda part: [place.stage, place.namespace, *part])
        following = place.following(position) or await self._next_namespace(place.namespace)
        return Inspection(
            looked=len(ids),
            flawed=_FLAWED.values(flawed),
            cursor=None if following is None else following.cursor(),
        )

    async def _next_namespace(self, last: str) -> "WalkPosition | None":
        """Where the walk goes on after the sets of `last`, or of all."""
        name = f"{self._prefix}namespaces"
        found = await self._connection.call("ZRANGEBYLEX", name, f"({last}", "+", "LIMIT", 0, 1)
        return WalkPosition(stage=_LISTS[0], namespace=found[0].decode()) if found else None

    async def repair(
        self, ids: Sequence[str], *, now: datetime, lease_until: datetime, retention: float
    ) -> Sequence[bool]:
        moments = (to_ms(now), to_ms(lease_until), retention_ms(retention))
        return list(map(bool, await self.run_batch("repair", ids, lambda part: [*moments, *part])))


@dataclass(frozen=True, slots=True, kw_only=True)
class WalkPosition:
    """The position of a walk: stage 0 is the records, others are the set of that number.

    The sets of all come first, then those of each `namespace`.
    """

    stage: int = 0
    position: str = "0"
    namespace: str = ""

    @classmethod
    def read(cls, cursor: str | None) -> "WalkPosition":
        """The inverse of `cursor`. Raises `ValueError`."""
        if cursor is None:
            return cls()
        found = _CURSOR.fullmatch(cursor)
        if found is None or int(found[1]) >= len(_STAGES):
            raise ValueError(f"no cursor of an inspection: {cursor!r}")
        return cls(stage=int(found[1]), position=found[2], namespace=found[3])

    def cursor(self) -> str:
        return f"{self.stage}:{self.position}:{self.namespace}"

    def following(self, position: bytes) -> "WalkPosition | None":
        """The next part when the server's own cursor is `position`; None at the end of these sets."""
        if position != b"0":
            return replace(self, position=position.decode())
        stages = _LISTS if self.namespace else range(len(_STAGES))
        later = [stage for stage in stages if stage > self.stage]
        return replace(self, stage=later[0], position="0") if later else None

    def command(self, prefix: str, count: int) -> Sequence[Argument]:
        """The command for the next part, of about `count` entries."""
        name = f"{prefix}{_STAGES[self.stage]}"
        if self.stage == 0:
            pattern = re.sub(r"([*?\[\]\\])", r"\\\1", name) + "*"
            return ("SCAN", self.position, "MATCH", pattern, "COUNT", count)
        if self.namespace:
            name += f":{self.namespace}"
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
