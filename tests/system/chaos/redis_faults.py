"""Faults of Redis: restarts, a cut append-only file, lost data, no memory, no disk, lost answers."""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from tests.system.chaos.fault import Fault
from tests.system.chaos.stage import Stage, pause

_OUTAGE = 10.0


def restart(stage: Stage) -> None:
    with stage.down("redis"):
        pause(_OUTAGE)


def crash(stage: Stage) -> None:
    with stage.down("redis", kill=True):
        pause(1)


def freeze(stage: Stage) -> None:
    with stage.frozen(stage.pid_of("redis")):
        pause(6)


def truncated(stage: Stage) -> None:
    """The last write is cut in half by the crash, so it never was.

    Where that was the claim of a task that has run, its end is refused, and the task is `queued` without a
    message until the relay recalls it.
    """
    with stage.down("redis", kill=True):
        folder = stage.fleet.server("redis").folder
        last = max((path for path in folder.rglob("*.aof")), key=lambda path: path.stat().st_mtime)
        os.truncate(last, last.stat().st_size - 100)


def flushed(stage: Stage) -> None:
    with stage.redis() as redis:
        redis.flushall()


def flushed_while_consumers_die(stage: Stage) -> None:
    """What the broker holds unacked is then all that there is of a task."""
    victims = stage.living("consume")
    stage.submit(40, "delay=3", tag="long")
    for victim in victims:
        stage.wait_busy(victim)
    with stage.redis() as redis:
        for victim in victims:
            victim.process.kill()
        redis.flushall()
    for victim in victims:
        victim.wait()
        stage.replace(victim)


def out_of_memory(stage: Stage) -> None:
    with stage.redis() as redis:
        redis.config_set("maxmemory", "2mb")
        try:
            pause(6)
        finally:
            redis.config_set("maxmemory", "0")


def full_disk(stage: Stage) -> None:
    """The append-only file on a small disk that is full for a while."""
    folder = stage.fleet.server("redis").folder
    with stage.down("redis"), tempfile.TemporaryDirectory() as aside:
        _move(folder, Path(aside))
        used = int(subprocess.run(["du", "-sm", aside], capture_output=True, check=True).stdout.split()[0])
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={used + 40}m", "none", str(folder)], check=True)
        _move(Path(aside), folder)
    try:
        pause(1)
        with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as filler:
            while True:
                filler.write(b"\0" * 65_536)
        pause(5)
        (folder / "filler").unlink()
        stage.fleet.up("redis")  # where it gave itself up
        pause(2)
    finally:
        (folder / "filler").unlink(missing_ok=True)
        with stage.down("redis", kill=True), tempfile.TemporaryDirectory() as aside:
            _move(folder, Path(aside))
            subprocess.run(["umount", str(folder)], check=True)
            _move(Path(aside), folder)


def fsync_fails(stage: Stage) -> None:
    """The disk under the store answers EIO.

    Redis then refuses writes, and with none to make it never tries its disk again: an operator restarts it.
    """
    pid = stage.pid_of("redis")
    fault = "inject=fsync,fdatasync:error=EIO:when=2..4"
    command = ["strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e", fault, "-o", "/dev/null"]
    tracer = subprocess.Popen([*command, "-p", str(pid)])
    try:
        pause(6)
    finally:
        tracer.terminate()
        tracer.wait()
    with stage.down("redis"):
        pause(0)


def scripts_flushed(stage: Stage) -> None:
    with stage.redis() as redis:
        for _ in range(5):
            redis.script_flush()
            pause(0.2)


def clients_killed(stage: Stage) -> None:
    with stage.redis() as redis:
        for _ in range(5):
            redis.client_kill_filter(_type="normal", skipme=True)
            pause(0.5)


def _move(source: Path, goal: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(goal)], check=True)
    for each in source.iterdir():
        subprocess.run(["rm", "-rf", str(each)], check=True)


FAULTS = (
    Fault(id="F37", inject=restart),
    Fault(id="F38", inject=crash),
    Fault(id="F38b", inject=freeze),
    Fault(id="F39", inject=truncated),
    Fault(id="F40", inject=flushed, wipes=True),
    Fault(id="F40b", inject=flushed_while_consumers_die, wipes=True),
    Fault(id="F41", inject=out_of_memory),
    Fault(id="F45", inject=full_disk),
    Fault(id="F48", inject=scripts_flushed),
    Fault(id="F48b", inject=clients_killed),
    Fault(id="F59", inject=fsync_fails),
)
