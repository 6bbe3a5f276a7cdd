"""Unserved tasks: those whose executor has no handler in the consumer that got them."""

# Seconds until such a task is offered again. There may be many of them.
UNSERVED_PAUSE = 60.0


def unserved(name: str | None) -> str:
    """What a task of this executor waits for."""
    return f"a consumer that has a handler for {name}"
