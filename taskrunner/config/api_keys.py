"""API keys of the configuration: `NAME: tr_… [SCOPE …] [rate=50/s] [burst=100]`, or a text with commas.

In a text, a key is `NAME=tr_… …`, and a line that begins with # is a comment.

A finding shows nothing but names: whatever stands in a wrong place may be a key.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator

from taskrunner.domain.errors import KeyInvalid
from taskrunner.domain.keys.api_key import (
    NAME_PATTERN,
    PREFIX,
    ApiKey,
    Scope,
    check_secret,
    configured_key,
    read_scopes,
)
from taskrunner.domain.keys.api_key_draft import KeyLimit

# The name of a key that is given without one.
_ONLY_KEY = "default"


def _split(value: Any) -> Any:
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, dict):
        return {name: _words(name, words) for name, words in value.items()}
    return value


def _read_text(text: str) -> Mapping[str, Sequence[str]]:
    parts = [
        (number, part.strip())
        for number, line in enumerate(text.split("\n"), start=1)
        if not line.lstrip().startswith("#")
        for part in line.split(",")
        if part.strip()
    ]
    if not parts and text.strip():
        raise ValueError("has no key; leave the setting out if there is none")
    named: dict[str, Sequence[str]] = {}
    for number, part in parts:
        name, found, words = part.partition("=")
        if not found or len(name.split()) > 1:
            if len(parts) > 1:
                raise ValueError(
                    f"line {number}: each key needs a name, NAME=tr_…, and scopes with blanks between"
                )
            name, words = _ONLY_KEY, part
        try:
            name = _check_name(name.strip())
        except ValueError as exc:
            raise ValueError(f"line {number}: {exc}") from None
        if name in named:
            raise ValueError(f"line {number}: {name} is given twice; give each key its own name")
        named[name] = words.split()
    return named


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
        secret, *rest = words
        try:
            check_secret(secret)
        except ValueError as exc:
            raise ValueError(f"{name}: {exc}") from None
        _check_words(name, rest)
        if names.setdefault(secret, name) != name:
            raise ValueError(
                f"{names[secret]} and {name} are the same key; `taskrunner keys generate` prints one"
            )
    return keys


def _check_words(name: str, words: Sequence[str]) -> None:
    """A word is not shown: it may be a key."""
    scopes, limit = _parted(words)
    try:
        read_scopes(scopes or [Scope.ADMIN])
    except KeyInvalid:
        known = ", ".join(Scope)
        raise ValueError(f"{name}: after the key, there may be scopes: {known}") from None
    unknown = limit.keys() - KeyLimit.model_fields.keys()
    if unknown or len(limit) < sum("=" in word for word in words):
        known = "rate=50/s, burst=100, max_live_tasks=1000, max_stored_bytes=1000000000"
        raise ValueError(f"{name}: after the scopes, there may be each of {known} once")
    try:
        key_of(name, [PREFIX, *words])
    except KeyInvalid as exc:
        raise ValueError(f"{name}: {exc}") from None


def _parted(words: Sequence[str]) -> tuple[Sequence[str], Mapping[str, object]]:
    """The scopes, and the fields of the limit."""
    scopes = [word for word in words if "=" not in word]
    pairs = [word.partition("=") for word in words if "=" in word]
    return scopes, {name: int(value) if value.isdecimal() else value for name, _, value in pairs}


def key_of(name: str, words: Sequence[str]) -> ApiKey:
    """The key of a checked entry; it has all scopes if none is named."""
    secret, *rest = words
    scopes, limit = _parted(rest)
    allowed = read_scopes(scopes) if scopes else (Scope.ADMIN,)
    return configured_key(name, secret, allowed, **KeyLimit.from_fields(limit).limits)


def _check_name(name: str) -> str:
    # Some keys could be names.
    if not NAME_PATTERN.fullmatch(name) or name.startswith(PREFIX):
        raise ValueError(
            "a key's name must be 1 to 63 lower-case letters, digits, - or _, and not begin with tr_"
        )
    return name


# By name: the secret, and the scopes if not all.
ApiKeys = Annotated[dict[str, tuple[str, ...]], BeforeValidator(_split), AfterValidator(_check)]
