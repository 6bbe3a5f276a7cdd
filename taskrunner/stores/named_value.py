"""A named value: a webhook, an executor or a declared queue, which a store keeps whole, by its name."""

from typing import Protocol


class NamedValue(Protocol):
    """What `codec.encode` writes."""

    @property
    def name(self) -> str: ...
