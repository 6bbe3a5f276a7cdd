"""Groups of servers: a RabbitMQ cluster, and a Redis under Sentinels.

Each server belongs to a fleet and is stopped and started by name: `rabbitmq-2`, `redis-1`.
"""

import secrets

from servers.fleet import Fleet
from servers.ports import free_ports
from servers.rabbitmq import RabbitMQ
from servers.redis import Redis
from servers.sentinel import Sentinel

SENTINEL_SERVICE = "taskrunner"


def start_rabbitmq_cluster(fleet: Fleet, size: int = 3) -> list[str]:
    """Start a cluster; returns the names of its nodes. They share the epmd of the first node."""
    epmd, *ports = free_ports(1 + 2 * size)
    nodes = [
        RabbitMQ(fleet.directory / f"rabbitmq-{number}", {"main": main, "dist": dist, "epmd": epmd})
        for number, (main, dist) in enumerate(zip(ports[:size], ports[size:], strict=True), 1)
    ]
    cookie = secrets.token_hex(16)
    for node in nodes:
        node.lay_out(cookie=cookie)
    fleet.launch(nodes)
    for node in nodes[1:]:
        node.join(nodes[0])
    return _names(nodes)


def start_redis_replication(fleet: Fleet, replicas: int = 2) -> list[str]:
    """Start a primary and its replicas; returns their names, the primary's first."""
    ports = free_ports(1 + replicas)
    servers = [
        Redis(fleet.directory / f"redis-{number}", {"main": port}) for number, port in enumerate(ports, 1)
    ]
    for server in servers:
        server.lay_out(primary=None if server is servers[0] else servers[0])
    fleet.launch(servers)
    return _names(servers)


def start_sentinels(fleet: Fleet, primary: str, count: int = 3) -> list[str]:
    """Start Sentinels that watch the Redis of that name; returns their names."""
    watched = fleet.server(primary)
    sentinels = [
        Sentinel(fleet.directory / f"sentinel-{number}", {"main": port})
        for number, port in enumerate(free_ports(count), 1)
    ]
    for sentinel in sentinels:
        sentinel.lay_out(SENTINEL_SERVICE, primary=watched, quorum=count // 2 + 1)
    fleet.launch(sentinels)
    return _names(sentinels)


def _names(servers: list[RabbitMQ] | list[Redis] | list[Sentinel]) -> list[str]:
    return [server.folder.name for server in servers]
