"""Every default stands once: on the settings class of a service, from where its section takes it."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskrunner.api.http.settings import ApiSettings, ServerSettings
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.config import Config, sections
from taskrunner.config.keys import section_models
from taskrunner.consumer.settings import ConsumerSettings
from taskrunner.domain.fleet.scaling import ScalingSettings
from taskrunner.domain.hosts.host_settings import HostSettings
from taskrunner.domain.queues.declared_queues import DeclaredQueues
from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.callback import CallbackDefaults
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskDefaults, TaskSettings
from taskrunner.grpc.settings import GrpcSettings
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.producer.settings import RelaySettings, SchedulerSettings
from taskrunner.stores.redis.settings import RedisSettings

# Each section, what it configures, and the fields there that have another source.
CONFIGURED: list[tuple[str, type[Any], set[str]]] = [
    ("api", ServerSettings, {"max_url_bytes", "max_header_bytes", "max_headers", "backlog"}),
    ("api", ApiSettings, {"user_agent", "masking", "max_result_bytes"}),
    (
        "grpc",
        GrpcSettings,
        {
            *("max_message_bytes", "max_calls", "max_connections", "max_metadata_bytes"),
            *("handshake_timeout", "shutdown_grace", "certificate"),
        },
    ),
    ("rabbit", RabbitSettings, {"addresses", "probe_timeout", "stall_after", "client_name"}),
    ("redis", RedisSettings, {"address", "replicas"}),
    (
        "workers",
        ConsumerSettings,
        {"prefetch", "hold", "workers", "executors", "host_settings", "host_limits"},
    ),
    ("workers", ScalingSettings, set()),
    ("retry", RetryPolicy, set()),
    ("fetch", FetchSettings, {"trust", "limits", "key_passwords", "secrets"}),
    ("fetch", SsrfPolicy, {"endpoints"}),
    (
        "limits",
        TaskLimits,
        {"queues", "refused_queues", "ssrf_policy", "callback_secrets", "tls_profiles", "credentials"},
    ),
    ("retention", RetentionSettings, set()),
    ("relay", RelaySettings, {"lease"}),
    ("schedules", SchedulerSettings, {"poll_interval"}),
    ("callbacks", CallbackDefaults, {"retry"}),
    ("hosts", HostSettings, {"breaker"}),
]
# Settings that no class has a default for.
ONLY_IN_SECTIONS = {
    *(
        "Server.addr",
        "Server.port",
        "Api.addr",
        "Api.port",
        "Grpc.enabled",
        "Grpc.addr",
        "Grpc.port",
        "Monitor.auth",
        "Logger.level",
        "Logger.format",
    ),
    *("Workers.processes", "Workers.affinity", "Workers.interval", "Workers.shutdown_grace"),
    "Fetch.proxy_resolves",
}
each_configured = pytest.mark.parametrize(("section", "kind", "others"), CONFIGURED)


@each_configured
def test_a_section_has_the_fields_of_what_it_configures(
    section: str, kind: type[Any], others: set[str]
) -> None:
    """A field that a section does not have by the same name would never be configured."""
    fields = set(inspect.signature(kind).parameters)
    assert fields - set(type(getattr(Config(), section)).model_fields) == others


@each_configured
def test_the_defaults_are_those_of_the_settings(section: str, kind: type[Any], others: set[str]) -> None:
    """Tests that construct settings test the program that users run."""
    required = {"name": "c"} if kind is ConsumerSettings else {}
    assert getattr(Config(), section).settings(kind, **required) == kind(**required)


def test_the_defaults_of_settings_from_several_sections_agree() -> None:
    config, consumer, redis = Config(), ConsumerSettings(name="c"), RedisSettings()
    services = SsrfPolicy(endpoints=(("rabbitmq", 5672), ("redis", 6379)))
    assert config.task_settings() == TaskSettings(limits=TaskLimits(ssrf_policy=services))
    assert config.task_defaults() == TaskDefaults()
    assert config.host_settings() == HostSettings()
    assert config.scaling_settings() == ScalingSettings()
    assert config.queues.weights() == DeclaredQueues().weights
    assert config.rabbit.addr == RabbitSettings().addresses
    assert (config.redis.addr, config.store.replicas) == ((redis.address,), redis.replicas)
    assert (config.rabbit.prefetch, config.relay.hold) == (consumer.prefetch, consumer.hold)
    assert (config.workers.max_workers, config.workers.lease) == (consumer.workers, RelaySettings().lease)
    assert config.relay.poll_interval == SchedulerSettings().poll_interval
    assert config.limits.max_url_bytes == ServerSettings().max_url_bytes
    assert config.fetch.user_agent == ApiSettings().user_agent


def literal_defaults() -> Iterator[str]:
    """The settings whose default is written in a section, but for those that are empty."""
    names = {model.__name__: name for name, model in section_models().items()}
    for path in Path(sections.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name in names:
                yield from (f"{names[node.name]}.{name}" for name in literal_fields(node))


def literal_fields(section: ast.ClassDef) -> Iterator[str]:
    for field in section.body:
        if isinstance(field, ast.AnnAssign) and isinstance(field.value, ast.Call):
            default = field.value.args[:1]
            is_taken = any(
                isinstance(part, ast.Attribute | ast.Name) for each in default for part in ast.walk(each)
            )
            if default and not is_taken and ast.unparse(default[0]) not in ("None", "{}", "()"):
                yield ast.unparse(field.target)


def test_no_section_writes_a_default_that_a_settings_class_has() -> None:
    """A number that stands twice drifts apart: five of seventy had."""
    assert set(literal_defaults()) == ONLY_IN_SECTIONS
