"""Which versions of RabbitMQ this adapter is made for."""

import re

# From the first with at-least-once dead lettering, to the last that the tests have seen.
OLDEST, NEWEST = (3, 10), (4,)


def version_warnings(version: str) -> tuple[str, ...]:
    """What to tell an operator of a server's version; nothing of one that we know, or that is not told."""
    found = tuple(map(int, re.findall(r"\d+", version)[:2]))
    if not found:
        return ()
    if found < OLDEST:
        return (f"RabbitMQ is version {version}, but at least 3.10 is needed: upgrade it",)
    if found[:1] > NEWEST:
        return (f"RabbitMQ is version {version}, newer than any that this taskrunner was tested with (4.x)",)
    return ()
