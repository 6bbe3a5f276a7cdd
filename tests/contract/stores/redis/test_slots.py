"""A node of a Redis Cluster whose slot with our keys moves to another node."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis as Client
from servers.fleet import wait_until_ready
from servers.ports import free_ports
from servers.redis import Redis

from taskrunner.domain.errors import StoreUnavailable
from taskrunner.domain.tasks.status import Status
from tests.contract.stores.harness import RedisBackend, entries, entry
from tests.tools.waiting import eventually


class Node(Redis):
    """One node, with commands to it."""

    @staticmethod
    def arguments() -> list[str]:
        return [*Redis.arguments(), "--cluster-enabled", "yes"]

    def _place(self) -> list[str]:
        # By default 10,000 above the port, where outgoing connections get theirs.
        return [*super()._place(), "--cluster-port", str(self.ports["bus"])]

    def command(self, *args: str | int) -> str:
        with Client.from_url(self.url, decode_responses=True) as client:
            return str(client.execute_command(*args))


@pytest.fixture
def nodes(tmp_path: Path) -> Iterator[tuple[Node, Node]]:
    """A node with all slots, and an empty one that knows it."""
    ports = free_ports(4)
    made = (
        Node(tmp_path / "a", {"main": ports[0], "bus": ports[1]}),
        Node(tmp_path / "b", {"main": ports[2], "bus": ports[3]}),
    )
    try:
        for node in made:
            node.folder.mkdir()
            node.up()
        wait_until_ready(made)
        made[0].command("CLUSTER", "ADDSLOTS", *range(16_384))
        made[0].command("CLUSTER", "MEET", "127.0.0.1", made[1].port, ports[3])
        yield made[0], made[1]
    finally:
        for node in made:
            node.remove()
            shutil.rmtree(node.folder, ignore_errors=True)


async def test_calls_wait_while_our_slot_moves(nodes: tuple[Node, Node]) -> None:
    """They are refused with the reason, health says so, and nothing is written to two nodes."""
    node, other = nodes
    await eventually(lambda: "cluster_state:ok" in node.command("CLUSTER", "INFO"))
    await eventually(lambda: "cluster_known_nodes:2" in other.command("CLUSTER", "INFO"))
    backend = RedisBackend(node.url)
    store = await backend.open()
    await store.accept(entries(3))
    slot = node.command("CLUSTER", "KEYSLOT", f"{backend.settings.prefix}:")

    node.command("CLUSTER", "SETSLOT", slot, "MIGRATING", other.command("CLUSTER", "MYID"))
    with pytest.raises(StoreUnavailable, match="is moving: calls wait until the move is over"):
        await store.accept([entry()])
    assert "is moving" in (store.status().error or "")
    assert not store.status().connected

    node.command("CLUSTER", "SETSLOT", slot, "STABLE")
    await eventually(lambda: store.status().connected)
    await store.accept([entry()])
    assert (await store.counts())[Status.SCHEDULED] == 4
    await backend.close()


async def test_a_slot_that_moved_is_followed(nodes: tuple[Node, Node]) -> None:
    """There and back, without a restart; the call that finds out names the node."""
    await eventually(lambda: "cluster_state:ok" in nodes[0].command("CLUSTER", "INFO"))
    await eventually(lambda: "cluster_known_nodes:2" in nodes[1].command("CLUSTER", "INFO"))
    backend = RedisBackend(nodes[0].url)
    store = await backend.open()
    slot = nodes[0].command("CLUSTER", "KEYSLOT", f"{backend.settings.prefix}:")
    for owner in (nodes[1], nodes[0], nodes[1]):
        _give(slot, owner, nodes)
        with pytest.raises(StoreUnavailable, match=rf"without our slot: .*\(127\.0\.0\.1:{owner.port}\)"):
            await store.accept([entry()])
        assert not store.status().connected
        await eventually(lambda: store.status().connected)
        await store.accept([entry()])
        assert owner.command("CLUSTER", "COUNTKEYSINSLOT", slot) != "0"
        owner.command("FLUSHALL")
    await backend.close()


async def test_a_followed_node_that_dies_sends_us_back(nodes: tuple[Node, Node]) -> None:
    """The configured node knows who has the slot by now."""
    await eventually(lambda: "cluster_state:ok" in nodes[0].command("CLUSTER", "INFO"))
    await eventually(lambda: "cluster_known_nodes:2" in nodes[1].command("CLUSTER", "INFO"))
    nodes[0].command("CONFIG", "SET", "cluster-require-full-coverage", "no")
    backend = RedisBackend(nodes[0].url)
    slot = nodes[0].command("CLUSTER", "KEYSLOT", f"{backend.settings.prefix}:")
    _give(slot, nodes[1], nodes)
    store = await backend.open()
    await store.accept([entry()])
    nodes[1].down(kill=True)
    await eventually(lambda: not store.status().connected)
    nodes[0].command("CLUSTER", "SETSLOT", slot, "NODE", nodes[0].command("CLUSTER", "MYID"))
    await eventually(lambda: store.status().connected)
    await store.accept([entry()])
    assert nodes[0].command("CLUSTER", "COUNTKEYSINSLOT", slot) != "0"
    await backend.close()


def _give(slot: str, owner: Node, nodes: tuple[Node, Node]) -> None:
    """What redis-cli does once the keys are moved: the new owner is told first."""
    other = nodes[1] if owner is nodes[0] else nodes[0]
    for node in nodes:
        # A node that loses its last slot would become a replica.
        node.command("CONFIG", "SET", "cluster-allow-replica-migration", "no")
    owner.command("CLUSTER", "SETSLOT", slot, "IMPORTING", other.command("CLUSTER", "MYID"))
    for node in (owner, other):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", owner.command("CLUSTER", "MYID"))
