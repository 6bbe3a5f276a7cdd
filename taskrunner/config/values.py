"""The kinds of values a setting can have, and what makes each one usable.

The file and the environment hand in text; a list may be one text with commas. Each check raises
`ValueError` with the reason and never shows user information of a URL.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from taskrunner.domain import task_fields
from taskrunner.domain.errors import HostLimitInvalid
from taskrunner.domain.host_limit import HostLimit, read_limit
from taskrunner.domain.host_name import check_pattern
from taskrunner.domain.messages import did_you_mean, shown
from taskrunner.domain.signature import read_secret
from taskrunner.domain.task import Priority
from taskrunner.domain.write_concern import WriteConcern

AMQP_PORTS = {"amqp": 5672, "amqps": 5671}
REDIS_PORT = 6379
SENTINEL_PORT = 26379

# The broker inside of `taskrunner all`.
MEMORY = "memory://"

_LABEL = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*\.?")
# Redis Cluster hashes what stands between the first { and the next }, if it is not empty.
# https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags
_TAGGED = re.compile(r"[^{}\s]*\{[^{}\s]+\}[^{}\s]*")


_SECRET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ACTIVE_SECRETS = 2


class Secret:
    """Marks a setting whose value is never shown, and which can be read from a file (`key_file`)."""


def split_commas(value: Any) -> Any:
    """A text with commas as the list of its parts; anything else as it is."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def split_url(url: str) -> SplitResult:
    """The parts of a URL that has a host. Raises `ValueError` without naming the URL."""
    try:
        parts = urlsplit(url)
        usable = bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("has no usable host or port; percent-encode special characters of a password")
    return parts


def check_host(host: str) -> str:
    """A host name or an IP address, without a port."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        if not is_host_name(host):
            raise ValueError(f"must be a host name or an IP address, got {shown(host)}") from None
    return host


def is_host_name(name: str) -> bool:
    """Whether `name` is one; a last part of digits would make it a (broken) IPv4 address."""
    return _HOST.fullmatch(name) is not None and not name.rstrip(".").rpartition(".")[2].isdigit()


def _check_amqp_url(url: str) -> str:
    if url == MEMORY:
        return url
    if not url.startswith(("amqp://", "amqps://")):
        raise ValueError("must start with amqp:// or amqps://, or be memory:// for `taskrunner all`")
    split_url(url)
    return url


def _check_brokers(urls: tuple[str, ...]) -> tuple[str, ...]:
    if MEMORY in urls and len(urls) > 1:
        raise ValueError("memory:// is a broker of its own and stands alone")
    return urls


def _check_header_name(name: str) -> str:
    task_fields.check_header_name(name)
    return name.lower()


def _check_proxy_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must be http(s)://[user:password@]host[:port], of a proxy that lets CONNECT")
    parts = split_url(url)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must end with the port; percent-encode special characters of a password")
    try:
        check_host(parts.hostname or "")
    except ValueError:
        # What stands there may be a password.
        raise ValueError("has no usable host; percent-encode special characters of a password") from None
    return url


def check_redis_addr(addr: str, default_port: int = REDIS_PORT) -> str:
    """`host`, `host:port` or `[IPv6]:port`; answered with its port."""
    if "://" in addr or "@" in addr:
        raise ValueError("must be host:port; a whole URL goes into the environment variable REDIS_URL")
    parts = split_url(f"//{addr}")
    if parts.path or parts.query or parts.fragment or parts.hostname is None:
        raise ValueError(f"must be host:port, got {shown(addr)}")
    host = check_host(parts.hostname)
    port = parts.port or default_port
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _check_queue(value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, Priority):
        return value
    known = [queue.value for queue in Priority]
    if value.lower() not in known:
        hint = did_you_mean(value, known)
        raise ValueError(f"must be some of {', '.join(known)}, got {shown(value)}{hint}")
    return Priority(value.lower())


def _check_exception(value: str) -> str:
    if "/" not in value:
        return check_host(value)
    try:
        return str(ipaddress.ip_network(value, strict=False))
    except ValueError:
        raise ValueError(f"must be addresses such as 10.0.0.0/8, got {shown(value)}") from None


def _check_prefix(value: str) -> str:
    if not _TAGGED.fullmatch(value):
        raise ValueError(
            f"must hold one hash tag such as {{taskrunner}} and no spaces, got {shown(value)}: "
            "all keys have to be in one slot"
        )
    return value


def _check_exchange(value: str) -> str:
    # RabbitMQ refuses to declare names that begin with "amq.": https://www.rabbitmq.com/docs/exchanges
    if value.startswith("amq."):
        raise ValueError(f"must not begin with amq., which RabbitMQ keeps for itself, got {shown(value)}")
    return value


def _check_agent(value: str) -> str:
    task_fields.check_header("User-Agent", value)
    return value


def _split_secrets(value: Any) -> Any:
    """`NAME=whsec_…`, several with commas or in lines of their own, as a mapping; each name with a list."""
    if isinstance(value, str):
        named: dict[str, list[str]] = {}
        for part in re.split(r"[\s,]+", value.strip()):
            name, found, secret = part.partition("=")
            if not found:
                raise ValueError("must be NAME=whsec_…, several with commas")
            named.setdefault(name, []).append(secret)
        return named
    if isinstance(value, dict):
        return {name: split_commas(secrets) for name, secrets in value.items()}
    return value


def _check_secrets(secrets: Mapping[str, tuple[str, ...]]) -> Mapping[str, tuple[str, ...]]:
    for name, active in secrets.items():
        if not _SECRET_NAME.fullmatch(name):
            raise ValueError("a secret's name must be 1 to 64 letters, digits or ._-")
        if not 1 <= len(active) <= _ACTIVE_SECRETS:
            raise ValueError(f"{name}: must be 1 secret, or {_ACTIVE_SECRETS} while one replaces the other")
        for secret in active:
            try:
                read_secret(secret)
            except ValueError as exc:
                raise ValueError(f"{name}: {exc}") from None
    return secrets


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


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _unique(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(dict.fromkeys(values))


_Commas = BeforeValidator(split_commas)
_Finite = Field(allow_inf_nan=False)

Seconds = Annotated[float, _Finite, Field(gt=0, le=86_400)]
SecondsOrNone = Annotated[float, _Finite, Field(ge=0, le=86_400)]
RetentionSeconds = Annotated[float, _Finite, Field(ge=60, le=10 * 366 * 86_400)]
Bytes = Annotated[int, Field(ge=1, le=1 << 30)]
Port = Annotated[int, BeforeValidator(_without_colon), Field(ge=0, le=65_535)]
Host = Annotated[str, AfterValidator(check_host)]
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
Prefix = Annotated[str, AfterValidator(_check_prefix), Field(max_length=100)]
# 127 and not the 255 of AMQP, since the names of queues are made from it.
Exchange = Annotated[
    str, Field(pattern=r"^[A-Za-z0-9._:-]+$", max_length=127), AfterValidator(_check_exchange)
]
ConsumerName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]*$", max_length=128)]
Queues = Annotated[
    tuple[Annotated[Priority, BeforeValidator(_check_queue)], ...],
    _Commas,
    Field(min_length=1, max_length=30),
    AfterValidator(_unique),
]
Weights = Annotated[
    tuple[Annotated[int, Field(ge=1, le=1000)], ...],
    _Commas,
    Field(min_length=len(Priority), max_length=len(Priority)),
]
Delays = Annotated[
    tuple[Annotated[float, _Finite, Field(ge=0, le=30 * 86_400)], ...], _Commas, Field(max_length=100)
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
HeaderNames = Annotated[
    tuple[Annotated[str, AfterValidator(_check_header_name)], ...],
    _Commas,
    Field(max_length=1000),
    AfterValidator(_unique),
]
ProxyUrl = Annotated[str, AfterValidator(_check_proxy_url), Field(max_length=4096)]
UserAgent = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(_check_agent)]
CallbackSecrets = Annotated[
    dict[str, tuple[str, ...]], BeforeValidator(_split_secrets), AfterValidator(_check_secrets)
]
HostLimits = Annotated[dict[str, HostLimit], BeforeValidator(_read_limits), Field(max_length=1000)]
LowerCase = BeforeValidator(_lower)
Concern = Annotated[WriteConcern, LowerCase]
