"""The URL of a store: which kinds there are, and the parts of the one that urllib does not know.

Each check raises `ValueError` with the reason and without naming the URL.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import AfterValidator, Field

from taskrunner.config.values import SENTINEL_PORT, check_redis_addr, split_url

# Schemes by the kind of store that they lead to.
SCHEMES = {
    "redis": "redis",
    "rediss": "redis",
    "redis+sentinel": "redis",
    "rediss+sentinel": "redis",
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "sqlite": "sqlite",
}
SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_SENTINEL_FORM = "redis+sentinel://[user:password@]host[:port],…/service[/number of the database]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SentinelUrl:
    """A Redis that Sentinels watch; each of `addresses` is `host:port` of one of them.

    User and password are those of Redis itself. `tls` is for the way to the Sentinels, too.
    """

    addresses: Sequence[str]
    service: str
    db: int
    user: str | None
    password: str | None = field(repr=False)
    tls: bool


def check_store_url(url: str) -> str:
    """A database by its URL; a relative path of SQLite is one in the current folder."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError("must start with redis://, redis+sentinel://, postgresql:// or sqlite:///")
    if scheme == "sqlite" and (not rest.startswith("/") or rest in {"/", "/:memory:"} or "?" in rest):
        raise ValueError("must be sqlite:///relative/file or sqlite:////absolute/file")
    if scheme in SENTINEL_SCHEMES:
        read_sentinel_url(urlsplit(url))
    elif SCHEMES[scheme] == "redis":
        parts = split_url(url)
        if not parts.path.strip("/").isdecimal() and parts.path.strip("/"):
            raise ValueError("must be redis://[user:password@]host[:port][/number of the database]")
    return url


def read_sentinel_url(parts: SplitResult) -> SentinelUrl:
    """What a URL of `SENTINEL_SCHEMES` says."""
    who, _, places = parts.netloc.rpartition("@")
    user, _, password = who.partition(":")
    service, _, db = parts.path.strip("/").partition("/")
    if not service or (db and not db.isdecimal()):
        raise ValueError(f"must be {_SENTINEL_FORM}")
    return SentinelUrl(
        addresses=[check_redis_addr(place, SENTINEL_PORT) for place in places.split(",")],
        service=unquote(service),
        db=int(db or 0),
        user=unquote(user) or None,
        password=unquote(password) or None,
        tls=parts.scheme.startswith("rediss"),
    )


StoreUrl = Annotated[str, AfterValidator(check_store_url), Field(max_length=4096)]
