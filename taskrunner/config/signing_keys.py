"""Reads secrets that sign, and the hosts that each is for.

They are `Callbacks.secrets`, and the `Fetch.credentials` that have `keys`.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator

from taskrunner.config.named_values import NAME
from taskrunner.config.values import read_hosts, split_commas
from taskrunner.domain.messages import did_you_mean
from taskrunner.domain.targets.credential import SigningSecret
from taskrunner.domain.targets.signature import PREFIX, read_secret
from taskrunner.domain.targets.url_pattern import ANY_HOST

_MAX_KEYS = 2
_HOSTS = ".hosts"
_FIELDS = ("keys", "hosts")


def read_secrets(value: Any) -> Any:
    """Secrets by name, also from the text `NAME=whsec_…, NAME.hosts=HOST`. Raises `ValueError`."""
    if isinstance(value, str):
        value = _from_text(value)
    if not isinstance(value, Mapping):
        raise ValueError("must be names, each with keys and hosts")
    return {name: _secret(name, given) for name, given in value.items()}


def _from_text(text: str) -> dict[str, dict[str, list[str]]]:
    """Several with commas or on separate lines."""
    named: dict[str, dict[str, list[str]]] = {}
    for part in re.split(r"[\s,]+", text.strip()):
        place, found, value = part.partition("=")
        if not found:
            raise ValueError("must be NAME=whsec_… and NAME.hosts=HOST, several with commas")
        field = "hosts" if place.endswith(_HOSTS) else "keys"
        named.setdefault(place.removesuffix(_HOSTS), {}).setdefault(field, []).append(value)
    return named


def _secret(name: Any, given: Any) -> SigningSecret:
    if isinstance(given, SigningSecret):
        return given
    # Some secrets could be names, and names are shown.
    if (
        not isinstance(name, str)
        or not NAME.fullmatch(name)
        or name.endswith(_HOSTS)
        or name.startswith(PREFIX)
    ):
        raise ValueError(
            f"a secret's name must be 1 to 64 letters, digits or ._-, not begin with {PREFIX} and "
            f"not end with {_HOSTS}"
        )
    if not isinstance(given, Mapping):
        raise ValueError(f"{name}: must have keys (whsec_…) and hosts, the receivers that they sign for")
    for field in given:
        if field not in _FIELDS:
            raise ValueError(
                f"{name}: unknown key{did_you_mean(str(field), _FIELDS)}; expected keys and hosts"
            )
    hosts = read_secret_hosts(
        name, given.get("hosts"), "lets everybody who may submit a task have any URL signed"
    )
    return SigningSecret(keys=read_keys(name, given.get("keys")), hosts=hosts)


def read_keys(name: str, given: Any) -> tuple[str, ...]:
    """One key, or two while one replaces the other. Raises `ValueError` without a key."""
    keys = split_commas(given)
    if not isinstance(keys, list | tuple) or not 1 <= len(keys) <= _MAX_KEYS:
        raise ValueError(f"{name}.keys: must be 1 secret, or {_MAX_KEYS} while one replaces the other")
    for key in keys:
        if not isinstance(key, str):
            raise ValueError(f"{name}.keys: must be texts such as whsec_…")
        try:
            read_secret(key)
        except ValueError as exc:
            raise ValueError(f"{name}.keys: {exc}") from None
    return tuple(keys)


def read_secret_hosts(name: str, given: Any, danger: str) -> tuple[str, ...]:
    """Required, since whoever may submit a task chooses the URL. `danger` is what `ANY_HOST` would do."""
    patterns = split_commas(given)
    if not patterns:
        raise ValueError(
            f'{name}.hosts: is required, such as hooks.example.com or *.example.com; "{ANY_HOST}" {danger}'
        )
    if patterns == [ANY_HOST] or patterns == (ANY_HOST,):
        return (ANY_HOST,)
    return read_hosts(f"{name}.hosts", patterns)


CallbackSecrets = Annotated[dict[str, SigningSecret], BeforeValidator(read_secrets)]
