"""The part of a store that keeps the sessions of the console."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from taskrunner.domain.codec import Decoder
from taskrunner.domain.keys.console_session import ConsoleSession
from taskrunner.domain.value import Value

decode_session = Decoder(ConsoleSession).decode


class KnownSession(Value):
    """A session, and when it was last used: None for never."""

    session: ConsoleSession
    last_used_at: datetime | None


class SessionStore(ABC):
    """Keeps sessions by id until they are ended."""

    @abstractmethod
    async def save_session(self, session: ConsoleSession) -> None:
        """Write a new session."""

    @abstractmethod
    async def console_sessions(self) -> Sequence[KnownSession]:
        """All sessions, the oldest first."""

    @abstractmethod
    async def note_session_uses(self, uses: Mapping[str, datetime]) -> None:
        """Remember when sessions were last used, by id. No effect on those that have ended."""

    @abstractmethod
    async def end_sessions(self, ids: Collection[str]) -> int:
        """Remove sessions; returns how many there were."""
