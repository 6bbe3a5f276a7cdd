"""Settings that are names with several keys each, as one text for the environment: `NAME.KEY=VALUE`."""

import re
from collections.abc import Collection
from typing import Any

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def read_named_values(text: str, lists: Collection[str], example: str) -> dict[str, dict[str, Any]]:
    """The keys of each name, several with commas or on separate lines. Raises `ValueError` without a value.

    A key in `lists` may be given several times, any other once.
    """
    named: dict[str, dict[str, Any]] = {}
    for part in filter(None, map(str.strip, re.split(r"[,\n]", text))):
        place, found, value = part.partition("=")
        name, _, key = place.rpartition(".")
        if not found or not name:
            raise ValueError(f"must be NAME.KEY=VALUE, several with commas, such as {example}")
        keys = named.setdefault(name, {})
        if folded(key) in lists:
            keys.setdefault(folded(key), []).append(value)
        elif key in keys:
            raise ValueError(f"{name}.{key} is given twice; keep one")
        else:
            keys[key] = value
    return named


def folded(name: str) -> str:
    """Case and underscores make no difference."""
    return name.replace("_", "").casefold()
