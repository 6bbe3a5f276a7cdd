"""Faults of RabbitMQ: restarts, alarms, full disks, lost queues, closed connections, dead letters."""

from pathlib import Path

import services
from servers import clock
from servers.fleet import Fleet

from tests.system.chaos.fault import Fault
from tests.system.chaos.server_faults import crashed, filled, frozen, restarted
from tests.system.chaos.stage import Stage, pause
from tests.system.harness import amqp
from tests.tools.waiting import wait_for


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


def clock_jumps(stage: Stage) -> None:
    """An hour ahead, two back, and right again; a restart on both sides is what it takes to fake that."""
    folder = stage.fleet.server("rabbitmq").folder
    with stage.down("rabbitmq"):
        clock.give(folder)
    try:
        for seconds in (3600, -3600, 0):
            clock.move(folder, seconds)
            pause(4)
    finally:
        with stage.down("rabbitmq"):
            clock.take(folder)


def feature_flags_change(stage: Stage) -> None:
    """What an operator does after an upgrade; the broker changes its own tables meanwhile, then restarts."""
    before = stage.rabbitmqctl("-q", "list_feature_flags", "name", "state")
    stage.rabbitmqctl("enable_feature_flag", "all")
    assert "disabled" in before
    assert before != stage.rabbitmqctl("-q", "list_feature_flags", "name", "state")
    with stage.down(stage.broker):
        pause(1)


def queue_deleted(stage: Stage) -> None:
    with amqp.channel(stage.rabbitmq_url) as channel:
        channel.queue_delete(stage.queue)


def idle_queue_deleted(stage: Stage) -> None:
    """While its consumers cannot declare it again, what is submitted to it comes back and is kept."""
    queue = f"{stage.deployment.name}.low"
    with stage.frozen(*(each.process.pid for each in stage.living("consume"))):
        with amqp.channel(stage.rabbitmq_url) as channel:
            channel.queue_delete(queue)
        stage.submit(100, priority="low", tag="low")


def queue_purged(stage: Stage) -> None:
    with amqp.channel(stage.rabbitmq_url) as channel:
        channel.queue_purge(stage.queue)


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
    queue = f"{stage.deployment.name}.low"
    pids = [each.process.pid for each in stage.living("consume")]
    with stage.frozen(*pids), amqp.channel(stage.rabbitmq_url) as channel:

        def is_left() -> bool:
            return int(channel.queue_declare(queue, passive=True).method.consumer_count) == 0

        def is_empty() -> bool:
            method, _, _ = channel.basic_get(queue)
            if method is None:
                return True
            channel.basic_nack(method.delivery_tag, requeue=True)
            return False

        wait_for(is_left, "the broker misses the frozen", within=30)
        stage.submit(5, priority="low", tag="limit")
        wait_for(is_empty, "the queue gives up", interval=0.005)


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


FAULTS = (
    Fault(id="F35", inject=clock_jumps),
    Fault(id="F36", inject=feature_flags_change, profile="aged"),
    Fault(id="F16", inject=power_cut),
    Fault(id="F17", inject=restarted("rabbitmq")),
    Fault(id="F17b", inject=crashed("rabbitmq")),
    Fault(id="F17c", inject=frozen("rabbitmq")),
    Fault(id="F22", inject=disk_alarm),
    Fault(id="F22b", inject=memory_alarm),
    Fault(id="F23", inject=filled("rabbitmq", "mnesia", room=120)),
    Fault(id="F24", inject=queue_deleted, profile="brisk"),
    Fault(id="F24b", inject=idle_queue_deleted),
    Fault(id="F25", inject=queue_purged, profile="brisk"),
    Fault(id="F25b", inject=backlog_purged, profile="brisk"),
    Fault(id="F29", inject=connections_closed),
    Fault(id="F30", inject=consumer_timeout),
    Fault(id="F31", inject=delivery_limit, profile="brisk"),
    Fault(id="F32", inject=dead_letters_deleted, profile="brisk"),
)
