"""Faults of our own processes: crashes at every point, freezes, signals, starvation."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

from tests.system.chaos.fault import Fault
from tests.system.chaos.stage import Stage, pause
from tests.system.chaos.traffic import FAILED
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.tools.waiting import wait_for

_FAILPOINT = "tests.system.chaos.failpoint"
_CGROUPS = Path("/sys/fs/cgroup")
_BACKLOG = 20_000
_FREEZE = 9.0  # longer than the lease and, where they are brisk, two heartbeats


def idle_consumer_dies(stage: Stage) -> None:
    stage.traffic.pause()
    stage.wait_idle()
    stage.crash(stage.one("consume"))
    stage.traffic.resume()


def consumer_dies_in_fetch(stage: Stage) -> None:
    victim = stage.one("consume")
    stage.wait_busy(victim)
    stage.crash(victim)


def both_consumers_die(stage: Stage) -> None:
    stage.crash(*stage.living("consume"))


def stock_consumer_dies(stage: Stage) -> None:
    """With the default lease of 30 s: its tasks run again within 40 s, which is all the time there is."""
    victim = stage.one("consume")
    stage.submit(60, "delay=3", tag="long")
    stage.wait_busy(victim, 20)
    stage.crash(victim)


def worker_process_dies(stage: Stage) -> None:
    """The threads' process alone: no attempt counts, and another starts."""
    victim = stage.one("consume")
    stage.wait_busy(victim)
    os.kill(_worker_process(victim), signal.SIGKILL)


def worker_process_freezes(stage: Stage) -> None:
    """Longer than its parent waits for a sign of life: it is killed and replaced."""
    pid = _worker_process(stage.one("consume"))
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: not psutil.pid_exists(pid), "its parent kills it", within=40)


def api_dies(stage: Stage) -> None:
    stage.crash(stage.one("serve"))


def everything_of_ours_dies(stage: Stage) -> None:
    stage.crash(*stage.living())


def dies_at(point: str, verb: str) -> "Trap":
    return Trap(point, verb)


class Trap:
    """Puts a process with a failpoint in the place of one, and a sound one there when it has died."""

    def __init__(self, point: str, verb: str) -> None:
        self._point = point
        self._verb = verb

    def __call__(self, stage: Stage) -> None:
        old = stage.one(self._verb)
        old.kill()
        count = stage.random.randint(5, 60)
        trapped = stage.replace(old, (_FAILPOINT, f"{self._point}:{count}"))
        unsure = []

        def dies() -> bool:
            """Traffic that left the dead one does not come back by itself: the trap gets its own."""
            if self._verb == "serve" and trapped.is_running:
                order = stage.orders.add(f"trap-{len(stage.orders.made)}")
                with Client(trapped.port, timeout=2.0) as client:
                    if stage.traffic.submit(order, client) is None:
                        unsure.append(order)
            return not trapped.is_running

        wait_for(dies, f"{trapped.name} dies at {self._point}")
        fresh = stage.replace(trapped)
        with Client(fresh.port) as client:
            for order in unsure:
                stage.traffic.submit(order, client)


def signals_come_twice(stage: Stage) -> None:
    """A second signal, of whatever kind, ends it fast and gives back what it had."""
    first, second = stage.random.choice(
        [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGHUP)]
    )
    victim = stage.one("consume")
    stage.wait_busy(victim)
    victim.signal(first)
    pause(0.1)
    if victim.is_running:
        victim.signal(second)
    victim.wait()
    stage.replace(victim)


def ends_in_good_order(stage: Stage) -> None:
    for victim in (stage.one("consume"), stage.one("serve")):
        victim.stop()
        stage.replace(victim)


def hangup(stage: Stage) -> None:
    """SIGHUP in the middle of its work: the process reads its configuration again, and goes on."""
    victim = stage.one("consume")
    stage.wait_busy(victim)
    victim.signal(signal.SIGHUP)
    wait_for(lambda: "config_reloaded" in victim.logged(), f"{victim.name} has reloaded")


def consumer_freezes(stage: Stage) -> None:
    victim = stage.one("consume")
    stage.wait_busy(victim)
    with stage.frozen(victim.process.pid):
        pause(_FREEZE)


def worker_tree_freezes(stage: Stage) -> None:
    """All threads of both consumers, by the kernel's freezer."""
    with _cgroup("freezer", stage.living("consume")) as group:
        (group / "freezer.state").write_text("FROZEN")
        pause(_FREEZE)
        (group / "freezer.state").write_text("THAWED")


def poison_kills_its_process(stage: Stage) -> None:
    """It ends failed after its attempts; what ran beside it ends well."""
    for old in stage.living("consume"):
        old.kill()
        stage.replace(old, (_FAILPOINT, "poison"))
    order = stage.orders.add(
        "poison", expect=FAILED, max_attempts=2, id=f"{stage.orders.run}-poison", keyed=False
    )
    order.fields["url"] = order.fields["url"].replace(f"/{order.name}", f"/poison/{order.name}")  # type: ignore[index]
    with stage.traffic.client() as client:
        stage.traffic.submit(order, client)

    def failed() -> bool:
        for dead in [each for each in stage.deployment.processes if not each.is_running]:
            stage.replace(dead, (_FAILPOINT, "poison"))
        with stage.traffic.client() as client:
            return bool(client.get(f"/tasks/{order.name}").json["status"] == "failed")

    wait_for(failed, "the poison fails", within=200)
    for old in stage.living("consume"):
        old.stop()
        stage.replace(old)


def memory_runs_out(stage: Stage) -> None:
    """Big bodies in a memory cgroup: the caps hold, or the kernel kills and others take over."""
    victim = stage.one("consume")
    with _cgroup("memory", [victim]) as group:
        (group / "memory.limit_in_bytes").write_text(str(300 << 20))
        stage.submit(50, f"size={4 << 20}", tag="big")
        pause(2)
        if victim.is_running:
            (group / "memory.limit_in_bytes").write_text("-1")
    if not victim.is_running:
        stage.replace(victim)


def processor_is_starved(stage: Stage) -> None:
    """All of ours on one processor, which others keep busy."""
    busy = [
        subprocess.Popen([sys.executable, "-c", "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass"])
        for _ in range(6)
    ]
    pids = [pid for running in stage.living("consume") for pid in _family(running)]
    allowed = os.sched_getaffinity(0)
    try:
        for pid in pids:
            _pin(pid, {0})
        pause(6)
    finally:
        for each in busy:
            each.kill()
            each.wait()
        for pid in pids:
            _pin(pid, allowed)


def log_disk_is_full(stage: Stage) -> None:
    """A consumer and an API whose log takes nothing go on."""
    for verb in ("consume", "serve"):
        old = stage.one(verb)
        old.stop()
        stage.replace(old, (_FAILPOINT, "full-log"))
    pause(3)
    for running in stage.living():
        assert running.get("/livez").status == 200
    for running in stage.living():
        running.stop()
        stage.replace(running)


def backlog_and_restart(stage: Stage) -> None:
    """A backlog, then everything of ours is killed and starts again. 20,000 tasks stand for the million."""
    for victim in stage.living("consume"):
        victim.kill()
    orders = [stage.orders.add(f"bulk-{number}", keyed=False) for number in range(_BACKLOG)]
    for order in orders:
        stage.traffic.ledger.before(order.name)
    lines = "\n".join(json.dumps(order.fields) for order in orders)
    done = stage.deployment.run("produce", "--file", "-", given=lines.encode(), within=120)
    assert done.returncode == 0, done.stderr
    for task_id in done.stdout.split():
        stage.traffic.ledger.after(task_id, 202)
    for victim in stage.living("serve"):
        victim.process.kill()
        victim.wait()
    for dead in list(stage.deployment.processes):
        stage.replace(dead)


@contextlib.contextmanager
def _cgroup(controller: str, members: list[TaskrunnerProcess]) -> Iterator[Path]:
    group = Path(tempfile.mkdtemp(prefix="taskrunner-chaos-", dir=_CGROUPS / controller))
    try:
        for member in members:
            for pid in _family(member):
                (group / "cgroup.procs").write_text(str(pid))
        yield group
    finally:
        for left in (group / "cgroup.procs").read_text().split():
            with contextlib.suppress(ProcessLookupError):
                (_CGROUPS / controller / "cgroup.procs").write_text(left)
        wait_for(lambda: not (group / "cgroup.procs").read_text(), "the group is empty", within=10)
        group.rmdir()


def _family(running: TaskrunnerProcess) -> list[int]:
    """A process and those of its worker threads."""
    children = psutil.Process(running.process.pid).children(recursive=True)
    return [running.process.pid, *(child.pid for child in children)]


def _worker_process(consumer: TaskrunnerProcess) -> int:
    """One of them, if there are several."""
    return int(random.choice(consumer.stats()["workers"]["processes"])["pid"])


def _pin(pid: int, processors: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(thread.name), processors)


FAULTS = (
    Fault(id="F01", inject=idle_consumer_dies),
    Fault(id="F02", inject=consumer_dies_in_fetch),
    Fault(id="F02b", inject=both_consumers_die),
    Fault(id="F02c", inject=stock_consumer_dies, profile="stock"),
    Fault(id="F02d", inject=worker_process_dies),
    Fault(id="F03", inject=dies_at("after-fetch", "consume")),
    Fault(id="F03b", inject=dies_at("after-claim", "consume")),
    Fault(id="F04", inject=dies_at("after-settle", "consume")),
    Fault(id="F05", inject=dies_at("after-ack", "consume")),
    Fault(id="F07", inject=signals_come_twice),
    Fault(id="F07b", inject=ends_in_good_order),
    Fault(id="F08", inject=consumer_freezes, profile="brisk"),
    Fault(id="F08b", inject=worker_process_freezes),
    Fault(id="F10", inject=poison_kills_its_process),
    Fault(id="F11", inject=memory_runs_out),
    Fault(id="F13", inject=dies_at("before-confirm", "serve")),
    Fault(id="F13b", inject=dies_at("after-accept", "serve")),
    Fault(id="F13c", inject=api_dies),
    Fault(id="F14", inject=dies_at("after-confirm", "serve")),
    Fault(id="F16b", inject=everything_of_ours_dies),
    Fault(id="F58", inject=log_disk_is_full),
    Fault(id="F61", inject=processor_is_starved),
    Fault(id="F62", inject=worker_tree_freezes, profile="brisk"),
    Fault(id="F64", inject=hangup),
    Fault(id="F73", inject=backlog_and_restart, steady=False, recovers_within=60.0),
)
