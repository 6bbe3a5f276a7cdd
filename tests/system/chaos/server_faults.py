"""Faults that either server can have: a restart, a crash, a freeze, a full disk; each is made for one."""

import contextlib
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.system.chaos.stage import Stage, pause

Inject = Callable[[Stage], None]

_OUTAGE = 10.0


def restarted(server: str) -> Inject:
    def restart(stage: Stage) -> None:
        with stage.down(server):
            pause(_OUTAGE)

    return restart


def crashed(server: str) -> Inject:
    def crash(stage: Stage) -> None:
        with stage.down(server, kill=True):
            pause(1)

    return crash


def frozen(server: str) -> Inject:
    def freeze(stage: Stage) -> None:
        with stage.frozen(stage.pid_of(server)):
            pause(6)

    return freeze


def filled(server: str, data: str, *, room: int) -> Inject:
    """`data` is a folder within the server's; on the small disk it has `room` MiB more than it fills."""

    def full_disk(stage: Stage) -> None:
        """Its data on a small disk that fills up under it, then has room again; then it restarts."""
        place = stage.fleet.server(server).folder / data
        filler = place / "filler"
        with stage.down(server):
            used = int(
                subprocess.run(["du", "-sm", place], capture_output=True, check=True).stdout.split()[0]
            )
            _replace(place, "mount", "-t", "tmpfs", "-o", f"size={used + room}m", "none", str(place))
        try:
            pause(1)
            with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
                while True:
                    file.write(b"\0" * 65_536)
            pause(6)
            filler.unlink()
            pause(2)
        finally:
            filler.unlink(missing_ok=True)
            with stage.down(server):
                _replace(place, "umount", str(place))

    return full_disk


def _replace(place: Path, *mounting: str) -> None:
    """Run a command that puts another disk at a folder, and have what was in the folder on that."""
    with tempfile.TemporaryDirectory() as aside:
        _move(place, Path(aside))
        subprocess.run(mounting, check=True)
        _move(Path(aside), place)


def _move(source: Path, goal: Path) -> None:
    subprocess.run(["cp", "-a", f"{source}/.", str(goal)], check=True)
    for each in source.iterdir():
        subprocess.run(["rm", "-rf", str(each)], check=True)
