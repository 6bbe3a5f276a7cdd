"""The address of the Redis server, and its time limits."""

from dataclasses import dataclass, field, replace

from taskrunner.domain.backends.redis_url import SENTINEL_PORT, RedisUrl, read_redis_url
from taskrunner.domain.backends.service_tls import ServiceTls, TlsVerify
from taskrunner.domain.backends.service_url import REDIS_PORT, split_place
from taskrunner.domain.errors import ConfigInvalid, FieldError


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
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    verify: TlsVerify = TlsVerify.FULL
    max_retries: int = 5
    dial_timeout: float = 10.0
    timeout: float = 5.0
    prefix: str = "{taskrunner}"
    replicas: int = 1


def endpoint(settings: RedisSettings) -> RedisUrl:
    """The address in its parts; what a URL says goes before the other settings.

    Raises `ConfigInvalid`, which does not show the address: it may hold a password.
    """
    tls = ServiceTls(
        ca_file=settings.ca_file,
        cert_file=settings.cert_file,
        key_file=settings.key_file,
        verify=settings.verify,
    )
    try:
        if "://" in settings.address:
            found = read_redis_url(settings.address, tls)
        else:
            port = REDIS_PORT if settings.sentinel is None else SENTINEL_PORT
            places = tuple(split_place(place, port) for place in settings.address.split(","))
            found = RedisUrl(places=places, service=settings.sentinel)
    except ValueError as exc:
        problem = FieldError(field="redis.addr", message=f"expected host:port or redis://host:port/db, {exc}")
        raise ConfigInvalid([problem]) from exc
    return replace(
        found,
        user=found.user or settings.user,
        password=found.password or settings.password,
        db=settings.db if found.db is None else found.db,
        tls=found.tls or (tls if settings.tls else None),
    )


def with_limits(settings: RedisSettings, url: RedisUrl) -> RedisSettings:
    """The settings with the time limits of `url`, where it has some."""
    return replace(
        settings,
        dial_timeout=url.dial_timeout or settings.dial_timeout,
        timeout=url.timeout or settings.timeout,
    )
