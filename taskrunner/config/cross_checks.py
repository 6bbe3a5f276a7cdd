"""Checks of settings whose values only make sense together."""

from collections.abc import Callable
from dataclasses import dataclass

from taskrunner.config.config import Config
from taskrunner.config.keys import Key
from taskrunner.domain.queues.queue import MAX_QUEUES
from taskrunner.domain.targets.credential import SignedToken, SigningSecret
from taskrunner.domain.tasks.write_concern import WriteConcern


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """Two settings that contradict each other, and why."""

    keys: tuple[Key, Key]
    message: str


@dataclass(frozen=True, slots=True)
class _Rule:
    """`low` must be at most `high`; with `below`, less than `high`."""

    low: str
    high: str
    why: str
    below: bool = False
    floor: Callable[[Config], float] | None = None


def largest_task_request(config: Config) -> int:
    """Bytes of a request with the largest task, whose body grows by a third in base64."""
    limits = config.limits
    return -(-limits.max_body_bytes * 4 // 3) + limits.max_url_bytes + limits.max_headers_bytes


_RULES = (
    _Rule("Workers.min_workers", "Workers.max_workers", "they are the ends of one range"),
    _Rule(
        "Fetch.timeout",
        "Workers.lease",
        "a lease must outlast an ordinary attempt (a task with a longer timeout of its own is safe: "
        "a live consumer renews the lease)",
    ),
    _Rule(
        "Redis.timeout", "Workers.lease", "a lease would end while its renewal waits for Redis", below=True
    ),
    _Rule("Fetch.timeout", "Limits.max_timeout", "a task must be allowed to ask for the default"),
    _Rule("Fetch.connect_timeout", "Fetch.timeout", "connecting is part of the attempt"),
    _Rule("Fetch.store_body_bytes", "Fetch.max_body_bytes", "a body cannot be stored beyond what was read"),
    _Rule("Retry.base", "Retry.cap", "the first delay would be longer than the longest"),
    _Rule("Retry.max_attempts", "Limits.max_attempts", "a task must be allowed to ask for the default"),
    _Rule("Limits.max_header_bytes", "Limits.max_headers_bytes", "one header must fit into all headers"),
    _Rule(
        "Limits.max_body_bytes",
        "Api.max_request_bytes",
        "a request must have room for the largest task",
        floor=largest_task_request,
    ),
    _Rule(
        "Rabbit.publish_timeout",
        "Relay.hold",
        "another relay would publish the task again while the first still waits for the confirm",
        below=True,
    ),
    _Rule(
        "Hosts.breaker_cooldown",
        "Hosts.breaker_longest",
        "the first cooldown would be the longest",
    ),
    _Rule(
        "Relay.hold",
        "Relay.forgotten_after",
        "a task would count as lost while it is held",
        below=True,
    ),
)


def find_contradictions(config: Config) -> list[Contradiction]:
    """All pairs of settings that contradict each other."""
    return [
        *_unkept_concern(config),
        *_many_addresses(config),
        *_needless_tls_files(config),
        *_no_issuer(config),
        *_shared_keys(config),
        *_many_queues(config),
        *(found for rule in _RULES if (found := _check(config, rule))),
    ]


def _unkept_concern(config: Config) -> list[Contradiction]:
    concern, kept = config.store.write_concern, config.store.write_concerns
    if concern in kept:
        return []
    names = " or ".join(each.value for each in WriteConcern if each in kept)
    message = f"{concern.value} cannot be kept by a SQLite file, which has no replica: use {names}"
    return [Contradiction(keys=(_key("Store.url"), _key("Store.write_concern")), message=message)]


def _many_addresses(config: Config) -> list[Contradiction]:
    if len(config.redis.addr) == 1 or config.redis.sentinel:
        return []
    message = "several addresses are taken for Sentinels: set Redis.sentinel to the name of the primary"
    return [Contradiction(keys=(_key("Redis.addr"), _key("Redis.sentinel")), message=message)]


def _needless_tls_files(config: Config) -> list[Contradiction]:
    if config.api.cert_file is not None:
        return []
    message = "has no effect without Api.cert_file: the API would speak plain HTTP"
    return [
        Contradiction(keys=(_key("Api.cert_file"), _key(f"Api.{name}")), message=message)
        for name in ("key_file", "client_ca_file")
        if getattr(config.api, name) is not None
    ]


def _no_issuer(config: Config) -> list[Contradiction]:
    tokens = [name for name, each in config.fetch.credentials.items() if isinstance(each, SignedToken)]
    if not tokens or config.fetch.issuer is not None:
        return []
    message = f"{tokens[0]} issues tokens, which name Fetch.issuer: set it to the https URL of the API"
    return [Contradiction(keys=(_key("Fetch.issuer"), _key("Fetch.credentials")), message=message)]


def _shared_keys(config: Config) -> list[Contradiction]:
    of_callbacks = {key for secret in config.callbacks.secrets.values() for key in secret.keys}
    for name, each in config.fetch.credentials.items():
        if isinstance(each, SigningSecret) and of_callbacks & {*each.keys}:
            message = (
                f"{name} has a key of Callbacks.secrets: whoever may submit a task could forge a callback"
            )
            keys = (_key("Callbacks.secrets"), _key("Fetch.credentials"))
            return [Contradiction(keys=keys, message=message)]
    return []


def _many_queues(config: Config) -> list[Contradiction]:
    names = list(config.queues.weights())
    if len(names) <= MAX_QUEUES:
        return []
    last = _key(f"Queues.{names[-1]}")
    return [Contradiction(keys=(last, last), message=f"is one of {len(names)} queues, at most {MAX_QUEUES}")]


def value_of(config: Config, key: Key) -> object:
    """The value of one setting."""
    return getattr(getattr(config, key.section.lower()), key.name)


def _check(config: Config, rule: _Rule) -> Contradiction | None:
    low, high = _key(rule.low), _key(rule.high)
    low_value, high_value = _number(config, low), _number(config, high)
    least = rule.floor(config) if rule.floor else low_value
    if least < high_value or (least == high_value and not rule.below):
        return None
    lower, higher = f"{low} ({low_value:.10g})", f"{high} ({high_value:.10g})"
    if rule.floor:
        message = f"{higher} must be at least {least:.10g}, for {lower}: {rule.why}"
    else:
        message = f"{lower} must be {'less than' if rule.below else 'at most'} {higher}: {rule.why}"
    return Contradiction(keys=(low, high), message=message)


def _key(path: str) -> Key:
    section, _, name = path.partition(".")
    return Key(section=section, name=name)


def _number(config: Config, key: Key) -> float:
    value = value_of(config, key)
    if not isinstance(value, int | float):
        raise TypeError(f"{key} is not a number")
    return value
