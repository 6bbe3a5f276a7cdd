"""Our command line with a trap: the process dies by SIGKILL at a chosen point between two writes.

    python -m tests.system.chaos.failpoint after-fetch:200 consume

dies when the point is reached for the 200th time. `poison` dies by a fault of memory access in the worker
thread, each time that a task with "/poison" in its URL runs; `full-log` has a full disk under its log.
"""

import asyncio
import ctypes
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.cli.main import main
from taskrunner.consumer.processes import child_main
from taskrunner.consumer.settler import Settler
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.producer.publisher import Publisher
from taskrunner.stores.redis.store import RedisStore

_POISON_HOST = "poison-host"
_ACKS_ARE_SENT_WITHIN = 0.02  # seconds; a callback is published by the relay, which looks each half second
Method = Callable[..., Any]


def die() -> NoReturn:
    os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()
    raise AssertionError("still alive")


def after_fetch(reached: Callable[[], bool]) -> None:
    """Answers are here, and not in the store."""
    _before(Settler, "_settle", reached)


def after_settle(reached: Callable[[], bool]) -> None:
    """The store has the verdicts, the broker no acks."""
    _after(RedisStore, "settle", reached)


def after_ack(reached: Callable[[], bool]) -> None:
    """The store has the verdicts and the callbacks, the broker has the acks, and no callback was sent yet."""
    ack = RabbitBroker.ack

    def trapped(self: RabbitBroker, deliveries: Sequence[Any]) -> None:
        ack(self, deliveries)
        if reached():
            asyncio.get_running_loop().call_later(_ACKS_ARE_SENT_WITHIN, die)

    _put(RabbitBroker, "ack", trapped)


def after_accept(reached: Callable[[], bool]) -> None:
    """The store has the task; nobody was told, nothing is published."""
    _after(RedisStore, "accept", reached)


def after_claim(reached: Callable[[], bool]) -> None:
    _after(RedisStore, "claim", reached)


def before_confirm(reached: Callable[[], bool]) -> None:
    """The bytes are on their way to the broker."""
    from taskrunner.brokers.rabbitmq.confirmed_publisher import ConfirmChannel

    write = ConfirmChannel.write

    def trapped(self: ConfirmChannel, publications: Sequence[Any]) -> Any:
        group = write(self, publications)
        if reached():
            die()
        return group

    _put(ConfirmChannel, "write", trapped)


def after_confirm(reached: Callable[[], bool]) -> None:
    """The broker has it, the store does not know."""
    _before(Publisher, "_mark", reached)


def poison(_reached: Callable[[], bool]) -> None:
    """In the process of the worker threads, which is started by this module then."""
    start = subprocess.Popen

    def trapped(command: Sequence[str], **named: Any) -> "subprocess.Popen[bytes]":
        python, *flags, _module, number, parent = command
        return start([python, *flags, __spec__.name, _POISON_HOST, number, parent], **named)

    _put(subprocess, "Popen", trapped)


def _run_poison_host(number: int, parent: int) -> None:
    run = HttpHandler.run

    def trapped(self: HttpHandler, context: AttemptContext) -> Any:
        if "/poison" in (context.task.url or ""):
            ctypes.string_at(0)
        return run(self, context)

    _put(HttpHandler, "run", trapped)
    child_main.main(number, parent)


def full_log(_reached: Callable[[], bool]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, 1)
    os.dup2(full, 2)


FAILPOINTS: dict[str, Callable[[Callable[[], bool]], None]] = {
    "after-fetch": after_fetch,
    "after-settle": after_settle,
    "after-ack": after_ack,
    "after-accept": after_accept,
    "after-claim": after_claim,
    "before-confirm": before_confirm,
    "after-confirm": after_confirm,
    "poison": poison,
    "full-log": full_log,
}


def _before(owner: type, name: str, reached: Callable[[], bool]) -> None:
    method: Method = getattr(owner, name)

    async def trapped(self: object, *args: Any, **named: Any) -> Any:
        if reached():
            die()
        return await method(self, *args, **named)

    _put(owner, name, trapped)


def _after(owner: type, name: str, reached: Callable[[], bool]) -> None:
    method: Method = getattr(owner, name)

    async def trapped(self: object, *args: Any, **named: Any) -> Any:
        answer = await method(self, *args, **named)
        if reached():
            die()
        return answer

    _put(owner, name, trapped)


def _put(owner: object, name: str, what: object) -> None:
    setattr(owner, name, what)


if __name__ == "__main__":
    if sys.argv[1] == _POISON_HOST:
        _run_poison_host(int(sys.argv[2]), int(sys.argv[3]))
    point, _, number = sys.argv.pop(1).partition(":")
    times = itertools.count(1)
    wanted = int(number or 1)
    FAILPOINTS[point](lambda: next(times) >= wanted)
    main()
