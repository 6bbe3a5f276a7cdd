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
from taskrunner.domain.status import Status
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


async def test_a_slot_that_moved_names_its_node(nodes: tuple[Node, Node]) -> None:
    """The operator needs to know which."""
    node, other = nodes
    await eventually(lambda: "cluster_state:ok" in node.command("CLUSTER", "INFO"))
    await eventually(lambda: "cluster_known_nodes:2" in other.command("CLUSTER", "INFO"))
    backend = RedisBackend(node.url)
    store = await backend.open()
    slot = node.command("CLUSTER", "KEYSLOT", f"{backend.settings.prefix}:")
    theirs = other.command("CLUSTER", "MYID")
    other.command("CLUSTER", "SETSLOT", slot, "NODE", theirs)
    node.command("CLUSTER", "SETSLOT", slot, "NODE", theirs)
    with pytest.raises(StoreUnavailable, match=rf"without our slot: .*\(127\.0\.0\.1:{other.port}\)"):
        await store.accept([entry()])
    await backend.close()
