"""The egress proxy: where every fetch is dialled when there is one."""

from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """An HTTP proxy that is asked to CONNECT, for http and https alike: so what it says itself is never taken
    for an answer of the target.

    `scheme` https: the way to it is encrypted too, and its certificate is judged as a target's.

    `resolves`: it gets names, and whom they lead to is its own decision. Otherwise names are looked up and
    judged here, and it gets one of the judged addresses.
    """

    host: str
    port: int
    scheme: str = "http"
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    resolves: bool = False

    @classmethod
    def from_url(cls, url: str, *, resolves: bool) -> Self:
        """By a URL that was checked when the configuration was read."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
            scheme=parts.scheme,
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            resolves=resolves,
        )
