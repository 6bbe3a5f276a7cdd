"""The settings of the RabbitMQ adapter, apart from pika, so that the configuration loads without it."""

from dataclasses import dataclass

from taskrunner.brokers.topology import Topology

_TOPOLOGY = Topology()


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitSettings:
    """Durations are seconds.

    `addresses` are AMQP URLs of one cluster's nodes, dialled in turn. `publish_timeout` bounds a call of
    `publish`; a connection that confirms nothing for as long is made again. `stall_after` is how long a
    queue may have ready messages and deliver none before the watchdog acts. `ca_file` is a PEM file of the
    authorities that `amqps://` trusts.
    """

    addresses: tuple[str, ...] = ("amqp://guest:guest@rabbitmq:5672/",)
    exchange: str = _TOPOLOGY.exchange
    delivery_limit: int = _TOPOLOGY.delivery_limit
    heartbeat: int = 30
    dial_timeout: float = 5.0
    publish_timeout: float = 5.0
    probe_timeout: float = 5.0
    stall_after: float = 30.0
    client_name: str = "taskrunner"
    ca_file: str | None = None
