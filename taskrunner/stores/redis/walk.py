"""A walk through all keys and sorted sets of a store, by Redis' own cursors.

What is there during the whole walk is met, some of it twice: https://redis.io/docs/latest/commands/scan/
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from taskrunner.domain.status import Status
from taskrunner.stores.redis.arguments import Argument

# The records, then the sets in the order of `SETS` in lines.lua.
_STAGES = ("task:", *(f"in:{status}" for status in Status), "due", "deadlines", "dead")
_CURSOR = re.compile(r"(\d{1,2}):(\d{1,20})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a walk stands: in stage 0, the records, or in the set of that number."""

    stage: int = 0
    position: str = "0"

    @classmethod
    def read(cls, cursor: str | None) -> "Place":
        """The inverse of `following`. Raises `ValueError`."""
        if cursor is None:
            return cls()
        found = _CURSOR.fullmatch(cursor)
        if found is None or int(found[1]) >= len(_STAGES):
            raise ValueError(f"no cursor of an inspection: {cursor!r}")
        return cls(stage=int(found[1]), position=found[2])

    def following(self, position: bytes) -> str | None:
        """The cursor for what comes next, when the server's own is `position`."""
        if position != b"0":
            return f"{self.stage}:{position.decode()}"
        return f"{self.stage + 1}:0" if self.stage + 1 < len(_STAGES) else None

    def command(self, prefix: str, count: int) -> Sequence[Argument]:
        """What to send for the next part, of about `count` entries."""
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
