"""The check of a change: a condition of the client on what the change replaces.

Administrations read, check, change, and save only in place of what they have read.
"""

from collections.abc import Callable
from typing import TypeVar

Known = TypeVar("Known")

# Raises if what is there (None: nothing) is not to be changed.
Check = Callable[[Known | None], None]
# Each try fails because another change came between the read and the write.
MAX_TRIES = 10


def allow(_: object) -> None:
    """The check of a change without a condition."""
