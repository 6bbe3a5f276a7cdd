"""Redis that Sentinels watch: the primary dies under load, a replica takes over, and taskrunner follows."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import services
from redis import Redis
from servers.cluster import SENTINEL_SERVICE, start_redis_replication, start_sentinels
from servers.fleet import Fleet

from tests.system.chaos.trial import Settings
from tests.system.cluster.scene import Scene, set_up
from tests.system.harness.target import Target
from tests.tools.waiting import wait_for

Stage = Callable[..., AbstractContextManager[Scene]]

_REPLICAS, _SENTINELS = 2, 3
_DIALS: dict[str, object] = {"REDIS__SENTINEL": SENTINEL_SERVICE}
# What has no record any more does not get one by waiting.
_WIPED = Settings(tasks=1000, ends_within=40.0, recovers_within=60.0)


class Replication:
    """A primary, its replicas and the Sentinels; each by its name in the fleet."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self.servers = start_redis_replication(fleet, _REPLICAS)
        self.sentinels = start_sentinels(fleet, self.servers[0], _SENTINELS)

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{self._fleet.server(name).port}" for name in self.sentinels)
        return f"redis+sentinel://{places}/{SENTINEL_SERVICE}"

    def primary(self) -> str:
        """The server that the Sentinels have agreed on, once it takes writes."""

        def look() -> str | None:
            ports = {self._told(name)["port"] for name in self.sentinels}
            for name in self.servers:
                server = self._fleet.server(name)
                if ports == {server.port} and server.is_running and self._role(name) == "master":
                    return name
            return None

        found = wait_for(look, "a primary")
        assert found
        return found

    def wait_whole(self) -> None:
        """Until every Sentinel knows all the others and every replica is in step."""

        def look() -> bool:
            told = [self._told(name) for name in self.sentinels]
            known = all(
                each["num-slaves"] == _REPLICAS and each["num-other-sentinels"] == _SENTINELS - 1
                for each in told
            )
            return known and self._info(self.primary())["connected_slaves"] == _REPLICAS

        wait_for(look, "replicas and Sentinels know each other")

    def fail_over(self) -> None:
        """kill -9 of the primary; return when another has its place and the dead one is back."""
        former = self.primary()
        services.down(former, kill=True, fleet=self._fleet)
        self.primary()
        services.up(former, fleet=self._fleet)

    def order_failover(self) -> None:
        """Have the Sentinels put another in the primary's place; return when it has it."""
        former = self.primary()
        with self._client(self.sentinels[0]) as client:
            client.execute_command("SENTINEL", "FAILOVER", SENTINEL_SERVICE)
        wait_for(lambda: self.primary() != former, "another primary")

    def configure(self, name: str, value: str) -> None:
        """Change a setting of every Redis, until it restarts."""
        for server in self.servers:
            with self._client(server) as client:
                client.config_set(name, value)

    def _told(self, sentinel: str) -> dict[str, Any]:
        with self._client(sentinel) as client:
            told: dict[str, Any] = client.sentinel_master(SENTINEL_SERVICE)
            return told

    def _role(self, name: str) -> str:
        return str(self._info(name)["role"])

    def _info(self, name: str) -> dict[str, Any]:
        with self._client(name) as client:
            told: dict[str, Any] = client.info("replication")
            return told

    def _client(self, name: str) -> "Redis":
        return Redis(port=self._fleet.server(name).port, decode_responses=True)


@pytest.fixture(scope="module")
def replication(fleet: Fleet) -> Replication:
    replication = Replication(fleet)
    replication.wait_whole()
    return replication


@pytest.fixture(scope="module")
def rabbitmq_url(fleet: Fleet) -> str:
    """The URL of a broker that stays up."""
    fleet.start(["rabbitmq"])
    return fleet.server("rabbitmq").url


@pytest.fixture
def stage(rabbitmq_url: str, replication: Replication, target: Target, tmp_path: Path) -> Stage:
    """Sets a deployment up that finds Redis by its Sentinels; takes further settings."""
    replication.wait_whole()

    def make(**settings: object) -> AbstractContextManager[Scene]:
        every = {**_DIALS, **settings}
        return set_up(target, tmp_path, every, rabbitmq_url=rabbitmq_url, redis_url=replication.url)

    return make


def test_nothing_replicated_is_lost(stage: Stage, replication: Replication) -> None:
    """What a 202 promised with `replicated` is there after the primary's sudden death."""
    # A replica confirms what is on its disk; each second, as is usual, would be too slow for this load.
    replication.configure("appendfsync", "always")
    with stage(STORE__WRITE_CONCERN="replicated") as scene:
        assert scene.trial("failover, replicated", replication.fail_over, rate=60.0).findings == {}


def test_what_redis_loses_the_broker_has(stage: Stage, replication: Replication) -> None:
    """Replication is asynchronous: with the default concern a record may go, and comes back by its envelope.

    Not so that of a task which ran before the failover: the broker's message was acked by then.
    """
    with stage() as scene:
        result = scene.trial("failover, default", replication.fail_over, settings=_WIPED, wipes=True)
    assert result.findings == {}


def test_an_ordered_failover(stage: Stage, replication: Replication) -> None:
    """`SENTINEL FAILOVER`: for a moment the former primary still takes writes, and one replica confirms them.

    So what must survive that has to be confirmed by all.
    """
    replication.configure("appendfsync", "always")
    with stage(STORE__WRITE_CONCERN="replicated", STORE__REPLICAS=_REPLICAS) as scene:
        assert scene.trial("ordered failover", replication.order_failover, rate=60.0).findings == {}
