"""The part of a store that the host gates ask: limits of hosts, and their states, which all consumers change.

Only the domain interprets a state. A store keeps it with a version, and writes a change only over the version
that the change was made from.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.value import Value
from taskrunner.stores.values import Place


class HostEntry(Value):
    """The state of a host, in JSON; from `until` on it is void and may be removed at any time.

    Each change gives it a new `version`, which is never used again.
    """

    host: str
    version: str
    encoded: bytes
    until: datetime


class HostEdit(Value):
    """A state to write where the stored version is `expected` (None: there is no entry of the host)."""

    entry: HostEntry
    expected: str | None


class HostAnswer(Value):
    """Whether an edit was written; if not, `current` is the stored entry (None: there is none)."""

    written: bool
    current: HostEntry | None = None


class HostStore(ABC):
    """Keeps states and limits of hosts."""

    @abstractmethod
    async def write_hosts(self, edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        """Change states, each on its own. An edit that is repeated, its answer lost, counts as written."""

    async def host(self, host: str) -> HostEntry | None:
        """One state, or None."""
        (entry,) = await self.hosts([host])
        return entry

    @abstractmethod
    async def hosts(self, hosts: Sequence[str]) -> Sequence[HostEntry | None]:
        """Their states, in this order; None for a host that has none."""

    @abstractmethod
    async def live_hosts(
        self, *, now: datetime, limit: int, after: Place | None = None
    ) -> Sequence[HostEntry]:
        """Up to `limit` states that are not void, by `until`, then by host, both descending.

        They begin behind the place `after` of this order, which is made of an `until` and a host.
        """

    @abstractmethod
    async def change_host_limit(self, pattern: str, encoded: bytes | None, *, expected: bytes | None) -> bool:
        """Keep the limit of a pattern, or none, where the stored one is `expected` (None: none), else False.

        A change that is repeated, its answer lost, counts as made.
        """

    @abstractmethod
    async def host_limits(self) -> Mapping[str, bytes]:
        """All limits by pattern."""
