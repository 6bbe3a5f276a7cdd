"""The stage: a deployment, its servers, and the operations of which faults are made."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import urlsplit

import psutil
import services
from redis import Redis
from servers.fleet import Fleet
from servers.ports import free_ports
from servers.rabbitmq import RabbitMQ

from tests.system.chaos.evidence import Usage
from tests.system.chaos.link import Link
from tests.system.chaos.traffic import Orders, Traffic
from tests.system.harness import amqp
from tests.system.harness.deployment import Deployment
from tests.system.harness.process import TaskrunnerProcess
from tests.system.harness.target import Target
from tests.tools.waiting import last_look, wait_for

# One consumer's dead tasks wait for the end of their lease, so it is short; what the broker forgot stays
# forgotten for the default time, so that a trial fails when anything but the fault itself needs that repair.
_COMMON: dict[str, object] = {
    "WORKERS__LEASE": 5,
    "WORKERS__MIN_WORKERS": 50,
    "FETCH__TIMEOUT": 4,
    "FETCH__CONNECT_TIMEOUT": 4,
    "REDIS__TIMEOUT": 2,
    "REDIS__DIAL_TIMEOUT": 2,
    "RABBIT__PUBLISH_TIMEOUT": 2,
    "RABBIT__HEARTBEAT": 10,
    "RELAY__HOLD": 3,
    "CALLBACKS__TIMEOUT": 2,
    "CALLBACKS__DELAYS": "1,1,2,2,5,5,5",
}
# RabbitMQ as an old version leaves it to a newer one: with no more features than the queues here need.
_FEW_FEATURES = "[{rabbit, [{forced_feature_flags_on_init, [quorum_queue, stream_queue]}]}].\n"
PROFILES: Mapping[str, Mapping[str, object]] = {
    "plain": _COMMON,
    "brisk": {**_COMMON, "RELAY__FORGOTTEN_AFTER": 6, "RABBIT__HEARTBEAT": 3, "RABBIT__DELIVERY_LIMIT": 10},
    "linked": {**_COMMON, "RABBIT__HEARTBEAT": 4},
    "stock": {"WORKERS__MIN_WORKERS": 50},
    "aged": _COMMON,
}


@dataclass(slots=True)
class Stage:
    """Everything that a fault may break. `heal` undoes every fault."""

    deployment: Deployment
    fleet: Fleet
    target: Target
    links: Mapping[str, Link]
    folder: Path
    random: Random
    broker: str = "rabbitmq"
    poison: list[str] = field(default_factory=list)

    # set for each trial
    traffic: Traffic = field(init=False)
    orders: Orders = field(init=False)

    @property
    def queue(self) -> str:
        """The RabbitMQ queue of the traffic."""
        return f"{self.deployment.name}.medium"

    @property
    def rabbitmq_url(self) -> str:
        """The broker itself, past any link."""
        return str(self.fleet.server(self.broker).url)

    def living(self, verb: str = "") -> list[TaskrunnerProcess]:
        return [each for each in self.deployment.processes if each.is_running and each.name.startswith(verb)]

    def one(self, verb: str) -> TaskrunnerProcess:
        return self.random.choice(self.living(verb))

    def replace(self, running: TaskrunnerProcess, launcher: Sequence[str] | None = None) -> TaskrunnerProcess:
        """Start another process in the place of one that has ended; return when it is ready."""
        self.deployment.processes.remove(running)
        return self.deployment.again(running, launcher).wait_ready()

    def crash(self, *victims: TaskrunnerProcess) -> None:
        """kill -9, all at once, and others in their place."""
        for victim in victims:
            victim.process.kill()
        for victim in victims:
            victim.process.wait()
        for victim in victims:
            self.replace(victim)

    def wait_busy(self, running: TaskrunnerProcess, most: int = 5) -> None:
        """Until that many attempts, or all that there will be, are under way."""
        last_look(lambda: running.stats()["in_flight"] >= most, within=3)

    def wait_idle(self) -> None:
        """Until no consumer holds a task."""
        wait_for(
            lambda: all(each.stats()["in_flight"] == 0 for each in self.living("consume")), "idle", within=60
        )

    @contextlib.contextmanager
    def frozen(self, *pids: int) -> Iterator[None]:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)

    @contextlib.contextmanager
    def down(self, server: str, *, kill: bool = False) -> Iterator[None]:
        services.down(server, kill=kill, fleet=self.fleet)
        try:
            yield
        finally:
            services.up(server, fleet=self.fleet)

    def pid_of(self, server: str) -> int:
        pid = self.fleet.server(server).pid
        assert pid is not None, f"{server} was never started"
        return pid

    def rabbitmqctl(self, *words: str) -> str:
        server = self.fleet.server(self.broker)
        assert isinstance(server, RabbitMQ)
        return server.ctl(*words)

    def redis(self) -> Redis:
        return Redis.from_url(str(self.fleet.server("redis").url))

    def publish(self, body: bytes, queue: str = "medium", **properties: object) -> None:
        amqp.publish(self.rabbitmq_url, self.deployment.name, queue, body, **properties)

    def submit(self, count: int, query: str = "delay=0.05", *, tag: str = "own", **fields: Any) -> None:
        """Hand in tasks of the fault's own beside the traffic."""
        made = len(self.orders.made)
        with self.traffic.client() as client:
            for number in range(count):
                order = self.orders.add(f"{tag}-{made}-{number}", query, **fields)
                wait_for(lambda order=order: self.traffic.submit(order, client), "an answer")  # type: ignore[misc]

    def usage(self) -> dict[str, Usage]:
        """What each living process holds, connections to the target apart: those are the pool's to keep."""
        ports = {self.target.port, *(link.port for name, link in self.links.items() if name == "target")}
        return {each.name: _usage(each.process.pid, ports) for each in self.living()}

    def heal(self) -> None:
        """Whatever a fault left: servers up, links open, every process running and ready."""
        for link in self.links.values():
            link.heal()
        for name in (self.broker, "redis"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid_of(name), signal.SIGCONT)
            self.fleet.up(name)
        for running in list(self.deployment.processes):
            if running.is_running:
                running.signal(signal.SIGCONT)
            else:
                self.replace(running)
        for running in self.living():
            running.wait_ready()


@contextlib.contextmanager
def staged(
    profile: str,
    fleet: Fleet,
    target: Target,
    folder: Path,
    random: Random,
    launcher: Sequence[str],
    settings: Mapping[str, object],
) -> Iterator[Stage]:
    """Two `serve` and two `consume` on the fleet's servers: `linked` by proxies, `aged` on another broker."""
    with contextlib.ExitStack() as stack:
        broker = _start_aged(fleet) if profile == "aged" else "rabbitmq"
        urls = {"rabbitmq": str(fleet.server(broker).url), "redis": str(fleet.server("redis").url)}
        links = {}
        if profile == "linked":
            for name, url in urls.items():
                port = urlsplit(url).port or 0
                links[name] = link = stack.enter_context(Link(port))
                urls[name] = url.replace(f":{port}", f":{link.port}")
            links["target"] = stack.enter_context(Link(target.port))
        ports = [target.port, *(link.port for name, link in links.items() if name == "target")]
        deployment = Deployment(
            rabbitmq_url=urls["rabbitmq"],
            redis_url=urls["redis"],
            target=target,
            folder=folder,
            settings={**PROFILES[profile], "FETCH__PORTS": ",".join(map(str, ports)), **settings},
            launcher=launcher,
        )
        stack.callback(deployment.close)
        for start in (deployment.serve, deployment.consume) * 2:
            start(ready=False)
        for running in deployment.processes:
            running.wait_ready()
        yield Stage(deployment, fleet, target, links, folder, random, broker)


def _start_aged(fleet: Fleet) -> str:
    ports = dict(zip(RabbitMQ.port_names, free_ports(len(RabbitMQ.port_names)), strict=True))
    name = f"rabbitmq-{ports['main']}"
    server = RabbitMQ(fleet.directory / name, ports)
    server.lay_out(cookie=name)
    Path(server.control()["RABBITMQ_ADVANCED_CONFIG_FILE"]).write_text(_FEW_FEATURES)
    fleet.launch([server])
    return name


def pause(seconds: float) -> None:
    """Let a fault last for this long."""
    time.sleep(seconds)


def _usage(pid: int, target_ports: Set[int]) -> Usage:
    """Of a process and its children together."""
    whole = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    sockets = [
        each
        for process in whole
        for each in process.net_connections("inet")
        if getattr(each.raddr, "port", 0) not in target_ports
    ]
    return Usage(
        threads=sum(process.num_threads() for process in whole),
        sockets=sum(each.status in ("ESTABLISHED", "LISTEN", "CLOSE_WAIT") for each in sockets),
        rss_bytes=sum(process.memory_info().rss for process in whole),
    )
