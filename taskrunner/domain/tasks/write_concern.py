"""The write concern: what must have happened before a task is accepted."""

from enum import StrEnum


class WriteConcern(StrEnum):
    """Each includes the ones before it. A concern that cannot be kept is refused, never weakened."""

    STORE = "store"  # the store has the task
    BROKER = "broker"  # and the broker has confirmed the publish
    REPLICATED = "replicated"  # and a replica of the store has the task


KEPT_EVERYWHERE = frozenset({WriteConcern.STORE, WriteConcern.BROKER})
