"""The types of the settings, and the checks of their values.

The file and the environment give text; a list can be one text with commas. Each check raises `ValueError`
with the reason, and never shows the user and password of a URL.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from taskrunner.domain.backends.amqp_url import read_amqp_url
from taskrunner.domain.backends.postgres_url import read_postgres_url
from taskrunner.domain.backends.redis_url import read_redis_url
from taskrunner.domain.backends.service_tls import ServiceTls
from taskrunner.domain.backends.service_url import (
    SCHEMES,
    check_host,
    check_redis_addr,
    is_host_name,
    split_service_url,
)
from taskrunner.domain.duration_field import Duration
from taskrunner.domain.errors import HostLimitInvalid
from taskrunner.domain.hosts.host_limit import HostLimit, read_limit
from taskrunner.domain.hosts.host_name import check_pattern
from taskrunner.domain.messages import shown
from taskrunner.domain.queues.queue import DEFAULT_QUEUES, MAX_QUEUES, check_queue_name
from taskrunner.domain.targets.url_pattern import spell_pattern
from taskrunner.domain.tasks import task_fields
from taskrunner.domain.tasks.settlement import MIN_RETENTION
from taskrunner.domain.tasks.write_concern import WriteConcern

# The broker within `taskrunner all`.
MEMORY = "memory://"

# Redis Cluster hashes what stands between the first { and the next }, if it is not empty.
# https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
_TAGGED = re.compile(r"[^{}\s]*\{[^{}\s]+\}[^{}\s]*")


class Secret:
    """Marks a setting that is never shown, and that can be read from a file (`<key>_file`)."""


_MAX_HOSTS = 100


def split_commas(value: Any) -> Any:
    """The parts of a text with commas; any other value unchanged."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def read_hosts(label: str, given: Any) -> tuple[str, ...]:
    """The URL patterns of a list, or of a text with commas. Raises `ValueError`."""
    patterns = split_commas(given)
    if not isinstance(patterns, list | tuple) or len(patterns) > _MAX_HOSTS:
        raise ValueError(f"{label}: must be at most {_MAX_HOSTS} hosts")
    checked = []
    for pattern in patterns:
        try:
            checked.append(spell_pattern(pattern))
        except (ValueError, AttributeError):
            raise ValueError(
                f"{label}: must be host names, addresses or *.example.com, each with or without :port, "
                f"got {shown(pattern)}"
            ) from None
    return tuple(dict.fromkeys(checked))


def _check_amqp_url(url: str) -> str:
    if url == MEMORY:
        return url
    read_amqp_url(url, ServiceTls())
    return url


def _check_store_url(url: str) -> str:
    """A relative path of SQLite starts at the current folder."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in SCHEMES:
        raise ValueError("must start with redis://, redis+sentinel://, postgresql:// or sqlite:///")
    if SCHEMES[scheme] == "redis":
        read_redis_url(url, ServiceTls())
    elif SCHEMES[scheme] == "postgresql":
        read_postgres_url(url)
    elif not rest.startswith("/") or rest in {"/", "/:memory:"} or "?" in rest:
        raise ValueError("must be sqlite:///relative/file or sqlite:////absolute/file")
    return url


def _check_brokers(urls: tuple[str, ...]) -> tuple[str, ...]:
    if MEMORY in urls and len(urls) > 1:
        raise ValueError("memory:// must be the only broker")
    return urls


def _check_header_name(name: str) -> str:
    task_fields.check_header_name(name)
    return name.lower()


def _check_proxy_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must be http(s)://[user:password@]host[:port], of a proxy that allows CONNECT")
    parts = split_service_url(url, 80)
    if parts.path.strip("/") or "?" in url or len(parts.places) != 1 or parts.places[0][0].startswith("/"):
        raise ValueError("must end with the port; percent-encode special characters of a password")
    return url


def _check_queue(value: Any) -> Any:
    """Whether a queue of this name is declared, the store has to say, too."""
    if not isinstance(value, str):
        return value
    return value.lower() if value.lower() in DEFAULT_QUEUES else check_queue_name(value)


def _check_exception(value: str) -> str:
    if "/" not in value:
        return check_host(value)
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"must be addresses such as 10.0.0.0/8, got {shown(value)}") from None


def _check_host_pattern(value: str) -> str:
    name = value.lower().removesuffix(".")
    if name != "*" and not is_host_name(name.removeprefix("*.")):
        raise ValueError(f"must be a host name without a port, *.example.com or *, got {shown(value)}")
    return name


def _check_prefix(value: str) -> str:
    if not _TAGGED.fullmatch(value):
        raise ValueError(
            f"must hold one hash tag such as {{taskrunner}} and no spaces, got {shown(value)}: "
            "all keys must be in one slot"
        )
    return value


def _check_exchange(value: str) -> str:
    # RabbitMQ refuses to declare names that begin with "amq.": https://www.rabbitmq.com/docs/exchanges
    if value.startswith("amq."):
        raise ValueError(f"must not begin with amq., which RabbitMQ reserves, got {shown(value)}")
    return value


def _check_agent(value: str) -> str:
    task_fields.check_header("User-Agent", value)
    return value


def _read_limits(value: Any) -> Any:
    """`PATTERN: LIMITS` in the file; elsewhere `PATTERN concurrency=4 rate=10/s`, several with commas."""
    if isinstance(value, str):
        pairs = [part.strip().partition(" ") for part in value.split(",") if part.strip()]
        value = {pattern: limits for pattern, _, limits in pairs}
    if not isinstance(value, Mapping):
        raise ValueError('must be patterns with limits, such as "*.example.com": concurrency=4 rate=10/s')
    read: dict[str, HostLimit] = {}
    for pattern, limit in value.items():
        spelt = check_pattern(pattern)
        if spelt in read:
            raise ValueError(f"{spelt} is given twice; keep one")
        try:
            read[spelt] = limit if isinstance(limit, HostLimit) else read_limit(limit)
        except HostLimitInvalid as exc:
            raise ValueError(f"{spelt}: {exc}") from exc
    return read


def _without_colon(value: Any) -> Any:
    return value.strip().removeprefix(":") if isinstance(value, str) else value


def _without_brackets(value: Any) -> Any:
    """An IPv6 address as URLs write it."""
    bracketed = isinstance(value, str) and value.startswith("[") and value.endswith("]") and ":" in value
    return value[1:-1] if bracketed else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


_Commas = BeforeValidator(split_commas)

Seconds = Annotated[Duration, Field(gt=0, le=86_400)]
SecondsOrNone = Annotated[Duration, Field(ge=0, le=86_400)]
RetentionSeconds = Annotated[Duration, Field(ge=MIN_RETENTION, le=10 * 366 * 86_400)]
Bytes = Annotated[int, Field(ge=1, le=1 << 30)]
Port = Annotated[int, BeforeValidator(_without_colon), Field(ge=0, le=65_535)]
Host = Annotated[str, BeforeValidator(_without_brackets), AfterValidator(check_host)]
TargetPatterns = Annotated[
    tuple[Annotated[str, AfterValidator(check_pattern)], ...],
    _Commas,
    Field(max_length=1000),
    AfterValidator(_unique),
]
AmqpUrls = Annotated[
    tuple[Annotated[str, AfterValidator(_check_amqp_url)], ...],
    _Commas,
    Field(min_length=1, max_length=100),
    AfterValidator(_check_brokers),
]
RedisAddrs = Annotated[
    tuple[Annotated[str, AfterValidator(check_redis_addr)], ...],
    _Commas,
    Field(min_length=1, max_length=100),
]
StoreUrl = Annotated[str, AfterValidator(_check_store_url), Field(max_length=4096)]
Prefix = Annotated[str, AfterValidator(_check_prefix), Field(max_length=100)]
# AMQP allows 255, but the names of queues begin with it.
Exchange = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._:-]+$", max_length=127), AfterValidator(_check_exchange)
]
ConsumerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$", max_length=128)]
Queues = Annotated[
    tuple[Annotated[str, BeforeValidator(_check_queue)], ...],
    _Commas,
    Field(min_length=1, max_length=MAX_QUEUES),
    AfterValidator(_unique),
]
_MODULE = r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$"
Modules = Annotated[
    tuple[Annotated[str, Field(pattern=_MODULE, max_length=200)], ...],
    _Commas,
    Field(max_length=100),
    AfterValidator(_unique),
]
Delays = Annotated[
    tuple[Annotated[Duration, Field(ge=0, le=30 * 86_400)], ...], _Commas, Field(max_length=100)
]
Exceptions = Annotated[
    tuple[Annotated[str, AfterValidator(_check_exception)], ...], _Commas, Field(max_length=1000)
]
Ports = Annotated[
    tuple[Annotated[int, Field(ge=1, le=65_535)], ...],
    _Commas,
    Field(min_length=1, max_length=1000),
    AfterValidator(_unique),
]
HostPatterns = Annotated[
    tuple[Annotated[str, AfterValidator(_check_host_pattern)], ...],
    _Commas,
    Field(max_length=100),
    AfterValidator(_unique),
]
HeaderNames = Annotated[
    tuple[Annotated[str, AfterValidator(_check_header_name)], ...],
    _Commas,
    Field(max_length=1000),
    AfterValidator(_unique),
]
ProxyUrl = Annotated[str, AfterValidator(_check_proxy_url), Field(max_length=4096)]
UserAgent = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_check_agent)]
LimitsByPattern = Annotated[dict[str, HostLimit], BeforeValidator(_read_limits), Field(max_length=1000)]
LowerCase = BeforeValidator(_lower)
Concern = Annotated[WriteConcern, LowerCase]
