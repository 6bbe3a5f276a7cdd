"""Faults of RabbitMQ: restarts, alarms, full disks, lost queues, closed connections, dead letters."""

import contextlib
import subprocess
import tempfile
from pathlib import Path

import services
from servers.fleet import Fleet
from servers.rabbitmq import RabbitMQ

from tests.system.chaos.fault import Fault
from tests.system.chaos.stage import Stage, pause
from tests.system.harness import amqp
from tests.system.harness.waiting import wait_for

_OUTAGE = 10.0


def power_cut(stage: Stage) -> None:
    """Servers and processes die together and come back in some order."""
    dead = stage.living()
    services.save_queue_names(stage.fleet)
    for running in dead:
        running.process.kill()
    names = ["rabbitmq", "redis"]
    for name in names:
        stage.fleet.down(name, kill=True)
    stage.random.shuffle(names)
    for running in dead:
        running.wait()
        stage.deployment.processes.remove(running)
        stage.deployment.again(running)
    for name in names:
        stage.fleet.up(name)
    for running in stage.living():
        running.wait_ready()


def restart(stage: Stage) -> None:
    with stage.down("rabbitmq"):
        pause(_OUTAGE)


def crash(stage: Stage) -> None:
    with stage.down("rabbitmq", kill=True):
        pause(1)


def freeze(stage: Stage) -> None:
    with stage.frozen(stage.pid_of("rabbitmq")):
        pause(6)


def disk_alarm(stage: Stage) -> None:
    stage.rabbitmqctl("set_disk_free_limit", "10000GB")
    try:
        pause(6)
    finally:
        stage.rabbitmqctl("set_disk_free_limit", "50MB")


def memory_alarm(stage: Stage) -> None:
    stage.rabbitmqctl("set_vm_memory_high_watermark", "absolute", "1MB")
    try:
        pause(6)
    finally:
        stage.rabbitmqctl("set_vm_memory_high_watermark", "0.4")


def lane_deleted(stage: Stage) -> None:
    with amqp.channel(stage.rabbitmq_url) as channel:
        channel.queue_delete(stage.lane)


def idle_lane_deleted(stage: Stage) -> None:
    """While its consumers cannot declare it again, what is submitted to it comes back and is kept."""
    lane = f"{stage.deployment.name}.low"
    with stage.frozen(*(each.process.pid for each in stage.living("consume"))):
        with amqp.channel(stage.rabbitmq_url) as channel:
            channel.queue_delete(lane)
        stage.submit(100, priority="low", tag="low")


def lane_purged(stage: Stage) -> None:
    with amqp.channel(stage.rabbitmq_url) as channel:
        channel.queue_purge(stage.lane)


def backlog_purged(stage: Stage) -> None:
    """Nobody has received what is purged."""
    victims = stage.living("consume")
    for victim in victims:
        victim.kill()
    stage.submit(200, priority="high", tag="high")
    with amqp.channel(stage.rabbitmq_url) as channel:
        channel.queue_purge(f"{stage.deployment.name}.high")
    for victim in victims:
        stage.replace(victim)


def connections_closed(stage: Stage) -> None:
    for _ in range(4):
        stage.rabbitmqctl("close_all_connections", "chaos")
        pause(1)


def consumer_timeout(stage: Stage) -> None:
    """The broker closes a channel whose delivery stays unacked for longer than it likes."""
    limit = "application:set_env(rabbit, {}, {})."
    stage.rabbitmqctl("eval", limit.format("consumer_timeout", 1500))
    stage.rabbitmqctl("eval", limit.format("channel_tick_interval", 500))
    stage.rabbitmqctl("close_all_connections", "chaos")  # the tick counts for new channels only
    try:
        stage.submit(50, "delay=3", tag="slow")
        pause(5)
    finally:
        stage.rabbitmqctl("eval", limit.format("consumer_timeout", 1_800_000))
        stage.rabbitmqctl("eval", limit.format("channel_tick_interval", 60_000))
        stage.rabbitmqctl("close_all_connections", "chaos")


def delivery_limit(stage: Stage) -> None:
    """A foreign consumer requeues for ever: the broker gives up, and the tasks go on all the same."""
    lane = f"{stage.deployment.name}.low"
    pids = [each.process.pid for each in stage.living("consume")]
    with stage.frozen(*pids), amqp.channel(stage.rabbitmq_url) as channel:

        def is_left() -> bool:
            return int(channel.queue_declare(lane, passive=True).method.consumer_count) == 0

        def is_empty() -> bool:
            method, _, _ = channel.basic_get(lane)
            if method is None:
                return True
            channel.basic_nack(method.delivery_tag, requeue=True)
            return False

        wait_for(is_left, "the broker misses the frozen", within=30)
        stage.submit(5, priority="low", tag="limit")
        wait_for(is_empty, "the lane gives up", interval=0.005)


def dead_letters_deleted(stage: Stage) -> None:
    """Poison while there is no queue of dead letters: it stays, and is one in the end."""
    topology = stage.deployment.name
    with amqp.channel(stage.rabbitmq_url) as channel:
        channel.queue_delete(f"{topology}.dead")
    for number in range(5):
        body = f"poison {stage.orders.run} {number}"
        stage.poison.append(body)
        stage.publish(body.encode())


def hasten_dead_letters(fleet: Fleet) -> None:
    """Have RabbitMQ try again within seconds, not after three minutes, to dead-letter what found no queue."""
    environment = fleet.server("rabbitmq").control()
    Path(environment["RABBITMQ_ADVANCED_CONFIG_FILE"]).write_text(
        "[{rabbit, [{dead_letter_worker_publisher_confirm_timeout, 3000}]}].\n"
    )
    services.restart("rabbitmq", fleet=fleet)


def full_disk(stage: Stage) -> None:
    """The node's data on a small disk that fills up under it, then has room again."""
    server = stage.fleet.server("rabbitmq")
    assert isinstance(server, RabbitMQ)
    data = server.folder / "mnesia"
    with stage.down("rabbitmq"), tempfile.TemporaryDirectory() as aside:
        _move(data, Path(aside))
        used = int(subprocess.run(["du", "-sm", aside], capture_output=True, check=True).stdout.split()[0])
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={used + 120}m", "none", str(data)], check=True)
        _move(Path(aside), data)
    try:
        pause(1)
        with contextlib.suppress(OSError), (data / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * (1 << 20))
        pause(6)
        (data / "filler").unlink()
        pause(1)
    finally:
        (data / "filler").unlink(missing_ok=True)
        stage.fleet.down("rabbitmq")  # where it did not end by itself
        with tempfile.TemporaryDirectory() as aside:
            _move(data, Path(aside))
            subprocess.run(["umount", str(data)], check=True)
            _move(Path(aside), data)
        stage.fleet.up("rabbitmq")


def _move(source: Path, goal: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(goal)], check=True)
    for each in source.iterdir():
        subprocess.run(["rm", "-rf", str(each)], check=True)


FAULTS = (
    Fault(id="F16", inject=power_cut),
    Fault(id="F17", inject=restart),
    Fault(id="F17b", inject=crash),
    Fault(id="F17c", inject=freeze),
    Fault(id="F22", inject=disk_alarm),
    Fault(id="F22b", inject=memory_alarm),
    Fault(id="F23", inject=full_disk),
    Fault(id="F24", inject=lane_deleted, profile="brisk"),
    Fault(id="F24b", inject=idle_lane_deleted),
    Fault(id="F25", inject=lane_purged, profile="brisk"),
    Fault(id="F25b", inject=backlog_purged, profile="brisk"),
    Fault(id="F29", inject=connections_closed),
    Fault(id="F30", inject=consumer_timeout),
    Fault(id="F31", inject=delivery_limit, profile="brisk"),
    Fault(id="F32", inject=dead_letters_deleted, profile="brisk"),
)
