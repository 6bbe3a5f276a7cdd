"""The write concern: what must have happened before a task counts as accepted."""

from enum import StrEnum


class WriteConcern(StrEnum):
    """Each holds what those before it hold. A concern that cannot be kept is refused, never weakened."""

    STORE = "store"  # the store has the task
    BROKER = "broker"  # and the broker's confirm was waited for
    REPLICATED = "replicated"  # and so has a replica of the store


KEPT_EVERYWHERE = frozenset({WriteConcern.STORE, WriteConcern.BROKER})
