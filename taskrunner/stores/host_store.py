"""The seam to what a store keeps of hosts: their limits, and their states, which all consumers change.

What a state means only the domain knows. A store keeps it with a version, and writes a change only over the
version that the change was made from.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.value import Value


class HostEntry(Value):
    """The state of a host by `encode_state`; from `until` on it means nothing and may go at any time.

    `version` is another one after each change, and never the same again.
    """

    host: str
    version: str
    encoded: bytes
    until: datetime


class HostEdit(Value):
    """A state to write where the version still is `expected` (None: there is no entry of the host)."""

    entry: HostEntry
    expected: str | None


class HostAnswer(Value):
    """Whether an edit was written; if not, `current` is what stands there (None: nothing)."""

    written: bool
    current: HostEntry | None = None


class HostStore(ABC):
    """States and limits of hosts; the rules of `Store` hold here too."""

    @abstractmethod
    async def write_hosts(self, edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        """Change states, each for itself. An edit that is repeated, its answer lost, is written."""

    async def host(self, host: str) -> HostEntry | None:
        """One state, or None."""
        (entry,) = await self.hosts([host])
        return entry

    @abstractmethod
    async def hosts(self, hosts: Sequence[str]) -> Sequence[HostEntry | None]:
        """Their states, in this order; None for a host that has none."""

    @abstractmethod
    async def live_hosts(self, *, now: datetime, limit: int) -> Sequence[HostEntry]:
        """Up to `limit` states that mean something, those that do so for the longest first."""

    @abstractmethod
    async def save_host_limit(self, pattern: str, encoded: bytes) -> None:
        """Keep the limit of a pattern, in place of an earlier one."""

    @abstractmethod
    async def remove_host_limit(self, pattern: str) -> bool:
        """Forget it; False where there was none."""

    @abstractmethod
    async def host_limits(self) -> Mapping[str, bytes]:
        """All limits by pattern."""
