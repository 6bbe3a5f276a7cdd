"""Environment variables: `TASKRUNNER_<SECTION>__<KEY>`, and names that operators already use."""

from collections.abc import Callable, Mapping
from pathlib import Path

from taskrunner.config.keys import Key, find_key, find_section, key_names, section_names
from taskrunner.config.layers import Layer, Setting
from taskrunner.config.near_misses import OWN_NAMES, PREFIX, near_miss
from taskrunner.domain.backends.redis_url import RedisUrl, read_redis_url
from taskrunner.domain.backends.service_tls import ServiceTls
from taskrunner.domain.backends.service_url import shown_place
from taskrunner.domain.messages import did_you_mean, shown

_FILE_SUFFIX = "_FILE"


def read_environment(environ: Mapping[str, str]) -> Layer:
    """The settings of the variables with our prefix.

    A name without `__`, such as `TASKRUNNER_CONFIG`, is not a setting; one that resembles ours is refused. An
    empty variable counts as unset: container tools pass on an unset variable as an empty one.
    """
    layer = Layer()
    for variable, value in sorted(environ.items()):
        section, separator, name = variable.removeprefix(PREFIX).partition("__")
        if not value:
            continue
        source = f"environment {variable}"
        if not variable.startswith(PREFIX) or not separator:
            meant = near_miss(variable, value, (*OWN_NAMES, *_OPERATOR_NAMES))
            if meant is not None:
                layer.refuse(source, f"is not read, did you mean {meant}?")
            continue
        known = find_section(section)
        if known is None:
            proposed = did_you_mean(section, [name.upper() for name in section_names()])
            layer.refuse(source, f"unknown section{proposed}")
            continue
        found = find_key(known, name.lower())
        if found is None:
            proposed = did_you_mean(name, [name.upper() for name in key_names(known)])
            layer.refuse(source, f"unknown key{proposed}")
            continue
        key, from_file = found
        if from_file:
            layer.put_file(key, Path(value), source=source, label=source)
        else:
            layer.put(Setting(key=key, value=value, source=source, label=source))
    return layer


def read_operator_names(environ: Mapping[str, str]) -> Layer:
    """The settings of the variables without our prefix; a URL can be in a file, as by `REDIS_URL_FILE`."""
    layer = Layer()
    for variable, translate in _OPERATOR_NAMES.items():
        source = f"environment {variable}"
        value: str | None = environ.get(variable, "")
        path = environ.get(variable + _FILE_SUFFIX, "") if variable.endswith("_URL") else ""
        if value and path:
            layer.refuse(source + _FILE_SUFFIX, f"sets the same as {source}; keep one of them")
            continue
        if path:
            source += _FILE_SUFFIX
            value = layer.read_secret(Path(path), source)
        if not value:
            continue
        try:
            settings = translate(value)
        except ValueError as exc:
            layer.refuse(source, str(exc))
            continue
        for key, translated in settings.items():
            layer.put(Setting(key=key, value=translated, source=source, label=source))
    return layer


def _as(section: str, name: str) -> Callable[[str], dict[Key, object]]:
    key = Key(section=section, name=name)
    return lambda value: {key: value}


def _from_redis_url(url: str) -> dict[Key, object]:
    """Every setting of the connection, also where the URL says nothing: its server gets no other password."""
    found = read_redis_url(url, ServiceTls())
    if found.path is not None:
        raise ValueError("must be redis://[user:password@]host[:port][/db], rediss://… or redis+sentinel://…")
    values: dict[str, object] = {
        "addr": ",".join(map(shown_place, found.places)),
        "sentinel": found.service,
        "user": found.user,
        "password": found.password,
        "db": found.db or 0,
        "tls": found.tls is not None,
        **_said(found),
    }
    return {Key(section="Redis", name=name): value for name, value in values.items()}


def _said(url: RedisUrl) -> dict[str, object]:
    """The settings that a URL gives besides the address and the login."""
    tls, default = url.tls or ServiceTls(), ServiceTls()
    names = ("ca_file", "cert_file", "key_file", "verify")
    said = {name: getattr(tls, name) for name in names if getattr(tls, name) != getattr(default, name)}
    limits = {"dial_timeout": url.dial_timeout, "timeout": url.timeout}
    return said | {name: limit for name, limit in limits.items() if limit is not None}


def _from_max_retries(value: str) -> dict[Key, object]:
    """Retries do not count the first attempt; our attempts do."""
    try:
        retries = int(value)
    except ValueError:
        retries = -1
    if retries < 0:
        raise ValueError(f"must be a whole number, 0 or more, got {shown(value)}")
    return {Key(section="Retry", name="max_attempts"): retries + 1}


_OPERATOR_NAMES: Mapping[str, Callable[[str], dict[Key, object]]] = {
    "RABBITMQ_URL": _as("Rabbit", "addr"),
    "REDIS_URL": _from_redis_url,
    "WORKER_QUEUES": _as("Workers", "queues"),
    "WORKER_PREFETCH": _as("Rabbit", "prefetch"),
    "MAX_RETRIES": _from_max_retries,
    "RETRY_DELAYS_SECONDS": _as("Retry", "delays"),
    "OUTBOX_POLL_INTERVAL": _as("Relay", "poll_interval"),
    "OUTBOX_BATCH_SIZE": _as("Relay", "batch_size"),
    "OUTBOX_MAX_ATTEMPTS": _as("Relay", "max_attempts"),
}
