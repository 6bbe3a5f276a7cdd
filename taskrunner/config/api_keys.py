"""API keys of the configuration: `NAME: tr_… [SCOPE …]`, or a text of `NAME=tr_… [SCOPE …]` with commas.

A finding shows nothing but names: whatever stands in a wrong place may be a key.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from taskrunner.domain.api_key import NAME_PATTERN, PREFIX, Scope, check_secret, read_scopes
from taskrunner.domain.errors import KeyInvalid

# The name of a key that is given without one.
_ONLY_KEY = "default"


def _split(value: Any) -> Any:
    if isinstance(value, str):
        named: dict[str, list[str]] = {}
        for part in filter(None, map(str.strip, re.split(r"[,\n]", value))):
            name, found, words = part.partition("=")
            if not found:
                name, words = _ONLY_KEY, part
            name = _check_name(name.strip())
            if name in named:
                raise ValueError(f"{name} is given twice; give each key a name: NAME=tr_…")
            named[name] = words.split()
        return named
    if isinstance(value, dict):
        return {name: _words(name, words) for name, words in value.items()}
    return value


def _words(name: str, words: Any) -> Any:
    if isinstance(words, str):
        return words.split()
    if isinstance(words, list | tuple):
        return words
    raise ValueError(f"{_check_name(name)}: must be tr_… and the scopes, if not all")


def _check(keys: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    names: dict[str, str] = {}
    for name, words in keys.items():
        _check_name(name)
        if not words:
            raise ValueError(f"{name}: must be tr_… and the scopes, if not all")
        secret, *scopes = words
        try:
            check_secret(secret)
        except ValueError as exc:
            raise ValueError(f"{name}: {exc}") from None
        try:
            read_scopes(scopes or [Scope.ADMIN])
        except KeyInvalid:
            known = ", ".join(Scope)
            raise ValueError(f"{name}: after the key, there may be scopes: {known}") from None
        if names.setdefault(secret, name) != name:
            raise ValueError(
                f"{names[secret]} and {name} are the same key; `taskrunner keys generate` prints one"
            )
    return keys


def _check_name(name: str) -> str:
    # Some keys could be names.
    if not NAME_PATTERN.fullmatch(name) or name.startswith(PREFIX):
        raise ValueError(
            "a key's name must be 1 to 63 lower-case letters, digits, - or _, and not begin with tr_"
        )
    return name


# By name: the secret, and the scopes if not all.
ApiKeys = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_split), AfterValidator(_check)]
