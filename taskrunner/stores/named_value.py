"""A named value: a webhook, executor, declared queue or cursor, which a store keeps whole, by its name."""

from typing import Protocol


class NamedValue(Protocol):
    """What `codec.encode` writes."""

    @property
    def name(self) -> str: ...
