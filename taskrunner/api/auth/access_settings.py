"""The settings of access to the API."""

from dataclasses import dataclass
from enum import StrEnum


class Auth(StrEnum):
    """Who needs a key.

    - `KEYS`: everybody; nobody while there is no key yet and the server listens on loopback only.
    - `LOOPBACK`: nobody, for a server that listens on loopback only; a key that is given counts.
    - `NONE`: nobody.
    """

    KEYS = "keys"
    LOOPBACK = "loopback"
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessSettings:
    """`local`: the server listens on loopback only. `monitor`: whether statistics need a key, too."""

    auth: Auth = Auth.KEYS
    local: bool = True
    monitor: bool = True
