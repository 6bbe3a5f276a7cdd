"""API keys of the configuration: `NAME: tr_… [SCOPE …]`, or a text of `NAME=tr_… [SCOPE …]` with commas."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from taskrunner.domain.api_key import NAME_PATTERN, PREFIX, check_secret, read_scopes
from taskrunner.domain.errors import KeyInvalid
from taskrunner.domain.messages import shown

# The name of a key that is given without one.
_ONLY_KEY = "default"


def _split(value: Any) -> Any:
    if isinstance(value, str):
        named: dict[str, list[str]] = {}
        for part in filter(None, map(str.strip, re.split(r"[,\n]", value))):
            name, found, words = part.partition("=")
            if not found:
                name, words = _ONLY_KEY, part
            _check_name(name.strip())
            if name.strip() in named:
                raise ValueError(f"{shown(name.strip())} is given twice; give each key a name: NAME=tr_…")
            named[name.strip()] = words.split()
        return named
    if isinstance(value, dict):
        return {name: words.split() if isinstance(words, str) else words for name, words in value.items()}
    return value


def _check(keys: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    for name, words in keys.items():
        _check_name(name)
        if not words:
            raise ValueError(f"{name}: must be NAME=tr_… and the scopes, if not all")
        try:
            check_secret(words[0])
            if any(word.startswith(PREFIX) for word in words[1:]):
                raise ValueError("has two secrets; give each of them a name: NAME=tr_…")
            if words[1:]:
                read_scopes(words[1:])
        except (ValueError, KeyInvalid) as exc:
            raise ValueError(f"{name}: {exc}") from None
    return keys


def _check_name(name: str) -> None:
    """Refuses what may be a secret as well, as in `tr_…=NAME`: errors show names."""
    if name.startswith(PREFIX) or not NAME_PATTERN.fullmatch(name):
        raise ValueError(
            f"a key's name must be 1 to 63 lower-case letters, digits, - or _, and not begin with {PREFIX}: "
            f"NAME={PREFIX}…"
        )


# By name: the secret, and the scopes if not all.
ApiKeys = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_split), AfterValidator(_check)]
