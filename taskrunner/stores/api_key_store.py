"""The part of a store that keeps API keys."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.codec import Decoder
from taskrunner.domain.keys.api_key import ApiKey
from taskrunner.domain.value import Value

decode_api_key = Decoder(ApiKey).decode


class StoredBytes(Value):
    """The bytes that a walk through the tasks of a key has found, and when it began."""

    size_bytes: int
    at: datetime


class KnownKey(Value):
    """A key, and when it was last used: None for never.

    `live_tasks` and what is `stored` are counted where they are limited.
    """

    key: ApiKey
    last_used_at: datetime | None
    live_tasks: int | None = None
    stored: StoredBytes | None = None


class ApiKeyStore(ABC):
    """Keeps keys by name. They are few, and never removed: tasks and audit entries name them."""

    @abstractmethod
    async def save_api_key(self, key: ApiKey, *, expected: ApiKey | None) -> bool:
        """Write a key in place of `expected` (None: there is none of this name).

        False, and nothing written, if another stands there.
        """

    @abstractmethod
    async def api_keys(self) -> Sequence[KnownKey]:
        """All keys, by name."""

    @abstractmethod
    async def api_key_uses(self) -> Mapping[str, datetime]:
        """When keys were last used, by name: also those of the configuration, which are not kept here."""

    @abstractmethod
    async def note_api_key_uses(self, uses: Mapping[str, datetime]) -> None:
        """Remember when keys were last used, by name."""
