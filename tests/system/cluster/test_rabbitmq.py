"""A RabbitMQ cluster of three nodes: nodes die under load, nothing is lost, and the client finds another."""

from collections.abc import Iterator

import pytest
import services
from servers.cluster import start_rabbitmq_cluster
from servers.fleet import Fleet
from servers.rabbitmq import RabbitMQ

from tests.system.chaos.stage import pause
from tests.system.cluster.scene import Scene, set_up
from tests.system.harness.target import Target
from tests.tools.waiting import wait_for

_SIZE = 3
_WITHOUT_QUORUM = 5.0  # seconds


class Cluster:
    """The nodes, and what they know of a queue."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._names = start_rabbitmq_cluster(fleet, _SIZE)

    @property
    def nodes(self) -> list[RabbitMQ]:
        servers = [self._fleet.server(name) for name in self._names]
        return [server for server in servers if isinstance(server, RabbitMQ)]

    @property
    def url(self) -> str:
        """The addresses of all nodes, as the configuration takes them."""
        return ",".join(node.url for node in self.nodes)

    def members(self, queue: str) -> int:
        """On how many nodes a queue is."""
        return self._told("members", queue).count("@")

    def leader(self, queue: str) -> str:
        """The name of the server that leads a queue, once a node that runs does."""

        def look() -> str | None:
            told = self._told("leader", queue)
            return next((n.folder.name for n in self.nodes if n.is_running and n.node in told), None)

        found = wait_for(look, f"{queue} has a leader")
        assert found
        return found

    def kill(self, name: str) -> None:
        """As a crash. Queue names are saved before: see `RabbitMQ.save_queue_names`."""
        services.down(name, kill=True, fleet=self._fleet)

    def up(self, name: str) -> None:
        services.up(name, fleet=self._fleet)

    def save_queue_names(self) -> None:
        for node in self.nodes:
            node.save_queue_names()

    def _told(self, column: str, queue: str) -> str:
        node = next(node for node in self.nodes if node.is_running)
        lines = node.ctl("-q", "list_queues", "name", column).splitlines()
        return next((line for line in lines if line.split("\t")[0] == queue), "")


@pytest.fixture(scope="module")
def cluster(fleet: Fleet) -> Cluster:
    return Cluster(fleet)


@pytest.fixture(scope="module")
def scene(
    fleet: Fleet, cluster: Cluster, target: Target, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    fleet.start(["redis"])
    redis_url = fleet.server("redis").url
    folder = tmp_path_factory.mktemp("deployment")
    with set_up(target, folder, {}, rabbitmq_url=cluster.url, redis_url=redis_url) as scene:
        cluster.save_queue_names()
        yield scene


@pytest.fixture
def queue(scene: Scene) -> str:
    """The RabbitMQ queue of the traffic."""
    return f"{scene.deployment.name}.medium"


def test_queues_are_on_all_nodes(cluster: Cluster, queue: str) -> None:
    """RabbitMQ puts a quorum queue on three nodes by itself, and ours ask for nothing else."""
    assert cluster.members(queue) == _SIZE
    assert cluster.members(queue.replace("medium", "dead")) == _SIZE


def test_the_leader_dies(scene: Scene, cluster: Cluster, queue: str) -> None:
    """While it stays away, the rest go on at the former rate, and nothing is lost."""
    leader = cluster.leader(queue)
    result = scene.trial("leader killed", lambda: cluster.kill(leader))
    cluster.up(leader)
    assert result.findings == {}


def test_the_quorum_goes_and_comes_back(scene: Scene, cluster: Cluster, queue: str) -> None:
    """The leader dies, then the next one, and with it the quorum, until that one returns."""

    def inject() -> None:
        first = cluster.leader(queue)
        cluster.kill(first)
        scene.wait_flowing()
        second = cluster.leader(queue)
        cluster.kill(second)
        pause(_WITHOUT_QUORUM)
        cluster.up(second)
        scene.wait_flowing()
        cluster.up(first)

    assert scene.trial("two nodes killed", inject).findings == {}


def test_every_node_restarts_in_turn(scene: Scene, cluster: Cluster, fleet: Fleet) -> None:
    """As in an upgrade: every connection has to move, more than once."""

    def inject() -> None:
        for node in cluster.nodes:
            services.restart(node.folder.name, fleet=fleet)
            scene.wait_flowing()

    assert scene.trial("rolling restart", inject).findings == {}
