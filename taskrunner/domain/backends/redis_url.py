"""The URL of a Redis, or of the Sentinels that know one.

https://www.iana.org/assignments/uri-schemes/prov/redis and, for the parameters, redis-py's `from_url`:
https://redis.readthedocs.io/en/stable/connections.html#redis.Redis.from_url
"""

from dataclasses import dataclass, field
from urllib.parse import unquote

from taskrunner.domain.backends.service_tls import ServiceTls, redis_tls
from taskrunner.domain.backends.service_url import (
    REDIS_PORT,
    Place,
    ServiceUrl,
    shown_place,
    split_service_url,
)
from taskrunner.domain.backends.url_parameters import UrlParameters

SENTINEL_PORT = 26379
_SENTINEL_SCHEMES = ("redis+sentinel", "rediss+sentinel")
_FORM = "must be redis://[user:password@]host[:port][/number of the database]"
_SENTINEL_FORM = "must be redis+sentinel://[user:password@]host[:port],…/service[/number of the database]"
_MOST_DATABASES = 65_535
_OWN = "taskrunner decides it"
_REFUSED = {
    **dict.fromkeys(("client_name", "protocol", "decode_responses", "encoding", "max_connections"), _OWN),
    **dict.fromkeys(("health_check_interval", "retry_on_timeout", "socket_keepalive", "socket_type"), _OWN),
    "password": "write it before the host, as redis://user:password@host",
    "username": "write it before the host, as redis://user:password@host",
    "ssl_password": "use a key without a password",
    "ssl_ca_path": "use ssl_ca_certs",
    "ssl_ca_data": "use ssl_ca_certs",
    "timeout": "use socket_timeout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisUrl:
    """`places` are servers, or Sentinels that watch the primary `service`; none with `path`, a socket.

    None means that the URL does not say. `tls` also encrypts the connections to the Sentinels.
    """

    places: tuple[Place, ...] = ()
    service: str | None = None
    path: str | None = None
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int | None = None
    tls: ServiceTls | None = None
    dial_timeout: float | None = None
    timeout: float | None = None

    def __str__(self) -> str:
        """The address as a message may show it."""
        if self.path is not None:
            return self.path
        places = ", ".join(map(shown_place, self.places))
        return places if self.service is None else f"{self.service} (by Sentinel {places})"


def read_redis_url(url: str, tls: ServiceTls) -> RedisUrl:
    """The URL in its parts; `tls` applies where it says nothing. Raises `ValueError` without showing it."""
    scheme = url.partition("://")[0]
    if "://" not in url or scheme not in {"redis", "rediss", "unix", *_SENTINEL_SCHEMES}:
        raise ValueError(
            "must be redis://[user:password@]host[:port][/db], rediss://…, redis+sentinel://… or unix:///path"
        )
    parts = split_service_url(url, SENTINEL_PORT if scheme in _SENTINEL_SCHEMES else REDIS_PORT)
    service, path, db = _target(parts)
    parameters = parts.parameters
    found = RedisUrl(
        places=parts.places,
        service=service,
        path=path,
        user=parts.user,
        password=parts.password or None,
        db=_database(db, parameters),
        tls=_tls(parts, tls),
        dial_timeout=parameters.seconds("socket_connect_timeout", 86_400),
        timeout=parameters.seconds("socket_timeout", 86_400),
    )
    parameters.refuse_others(_REFUSED)
    return found


def _target(parts: ServiceUrl) -> tuple[str | None, str | None, str]:
    """The service of Sentinels, the path of a socket, and the number of the database as text."""
    if parts.scheme == "unix":
        if parts.places or len(parts.path) < 2:
            raise ValueError("must be unix:///path/of/the/socket")
        return None, unquote(parts.path), ""
    path = parts.path.removeprefix("/")
    if parts.scheme in _SENTINEL_SCHEMES:
        service, _, db = path.partition("/")
        if not service or not parts.places or (db and not _is_number(db)):
            raise ValueError(_SENTINEL_FORM)
        return unquote(service), None, db
    if len(parts.places) != 1 or (path and not _is_number(path)):
        raise ValueError(_FORM)
    return None, None, path


def _database(path: str, parameters: UrlParameters) -> int | None:
    number = parameters.number("db", 0, _MOST_DATABASES)
    of_path = int(path) if path else None
    if of_path is not None and number is not None and number != of_path:
        raise ValueError(f"names two databases, {of_path} in its path and db={number}; keep one")
    if of_path is not None and of_path > _MOST_DATABASES:
        raise ValueError(f"has a database beyond {_MOST_DATABASES}")
    return of_path if number is None else number


def _tls(parts: ServiceUrl, default: ServiceTls) -> ServiceTls | None:
    encrypted, wanted = parts.scheme.startswith("rediss"), parts.parameters.flag("ssl")
    if encrypted and wanted is False:
        raise ValueError(f"has ssl=false, which contradicts {parts.scheme}://")
    if encrypted or wanted:
        return redis_tls(parts.parameters, default)
    parts.parameters.refuse_prefix("ssl_", "needs rediss:// (or ssl=true)")
    return None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 5
