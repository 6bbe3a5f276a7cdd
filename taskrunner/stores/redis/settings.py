"""The address of the Redis server, and its time limits."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import SplitResult, unquote, urlsplit

from taskrunner.domain.errors import ConfigInvalid, FieldError
from taskrunner.domain.service_url import REDIS_PORT, SENTINEL_SCHEMES, read_sentinel_url


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisSettings:
    """`address` is `host:port`, `redis://…`, `rediss://…` (TLS) or `unix:///path`; a URL may hold the rest.
    With `sentinel`, the name of a primary, or as `redis+sentinel://…`, it lists the Sentinels that know it.

    `dial_timeout` bounds the opening of a connection, `timeout` every call as a whole. `max_retries` is how
    often a call is sent again, within its timeout, when its connection breaks. All keys begin with `prefix`;
    its braces are a hash tag, which keeps them in one slot of a cluster. `replicas` is how many must confirm
    a write that is to be replicated.
    """

    address: str = field(default="redis:6379", repr=False)
    sentinel: str | None = None
    sentinel_password: str | None = field(default=None, repr=False)
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    tls: bool = False
    max_retries: int = 5
    dial_timeout: float = 10.0
    timeout: float = 5.0
    prefix: str = "{taskrunner}"
    replicas: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """The parts of an address. There is no host with `path` (a unix socket), nor with `sentinels`, which know
    the host of the primary called `service`.
    """

    host: str = ""
    port: int = REDIS_PORT
    path: str | None = None
    sentinels: tuple[tuple[str, int], ...] = ()
    service: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    tls: bool = False

    def __str__(self) -> str:
        """The address as a message may show it: without user and password."""
        if self.path is not None:
            return self.path
        if self.sentinels:
            return f"{self.service} (by Sentinel {', '.join(_shown(*place) for place in self.sentinels)})"
        return _shown(self.host, self.port)


def endpoint(settings: RedisSettings) -> Endpoint:
    """The parts of the settings' address; the URL goes before the other settings.

    Raises `ConfigInvalid`.
    """
    address = settings.address if "://" in settings.address else f"redis://{settings.address}"
    try:
        if settings.sentinel is not None:
            return _by_sentinel(settings, settings.address.split(","), settings.sentinel)
        return _from_url(urlsplit(address), settings)
    except ValueError as exc:
        # The address itself may hold a password, so it is not shown.
        problem = FieldError(field="redis.addr", message=f"expected host:port or redis://host:port/db, {exc}")
        raise ConfigInvalid([problem]) from exc


def _from_url(url: SplitResult, settings: RedisSettings) -> Endpoint:
    if url.scheme in SENTINEL_SCHEMES:
        parts = read_sentinel_url(url)
        own = replace(settings, user=parts.user, password=parts.password, db=parts.db, tls=parts.tls)
        return _by_sentinel(own, parts.addresses, parts.service)
    if url.scheme not in {"redis", "rediss", "unix"}:
        raise ValueError("the scheme must be redis, rediss or unix")
    user = unquote(url.username) if url.username else settings.user
    password = unquote(url.password) if url.password else settings.password
    if url.scheme == "unix":
        return Endpoint(path=url.path, user=user, password=password, db=settings.db)
    database = url.path.strip("/")
    if database and not database.isdecimal():
        raise ValueError("the database must be a number")
    return Endpoint(
        host=url.hostname or "localhost",
        port=_port(url),
        user=user,
        password=password,
        db=int(database) if database else settings.db,
        tls=settings.tls or url.scheme == "rediss",
    )


def _by_sentinel(settings: RedisSettings, addresses: Sequence[str], service: str) -> Endpoint:
    places = [urlsplit(f"//{address}") for address in addresses]
    return Endpoint(
        sentinels=tuple((place.hostname or "localhost", _port(place)) for place in places),
        service=service,
        user=settings.user,
        password=settings.password,
        db=settings.db,
        tls=settings.tls,
    )


def _shown(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _port(url: SplitResult) -> int:
    try:
        return REDIS_PORT if url.port is None else url.port
    except ValueError:
        raise ValueError("the port must be a number up to 65535") from None
