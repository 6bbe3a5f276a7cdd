"""What the RabbitMQ adapter needs to know."""

from dataclasses import dataclass

from taskrunner.brokers.topology import Topology

_TOPOLOGY = Topology()


@dataclass(frozen=True, slots=True, kw_only=True)
class RabbitSettings:
    """Durations are seconds.

    `addresses` are AMQP URLs of one cluster's nodes, tried in turn. `publish_timeout` bounds a call of
    `publish`, and is how long a connection may leave a publish unanswered before it is made anew.
    `stall_after` is how long a queue may have ready messages that do not come before the watchdog acts.
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
