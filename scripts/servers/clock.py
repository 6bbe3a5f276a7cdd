"""A clock of a server's own that a test can set: libfaketime under it.

Law: nothing is installed. Debian's package is unpacked into the user's cache, once.
"""

import tempfile
from pathlib import Path

from servers.latest import cache, run
from servers.programs import ProgramsMissing, one_at_a_time

_PACKAGE = "libfaketime"
_LIBRARY = "usr/lib/*/faketime/libfaketimeMT.so.1"


def give(folder: Path) -> None:
    """Let the server in this folder start with a clock of its own from now on, which is right as yet."""
    _library()
    move(folder, 0)


def move(folder: Path, seconds: int) -> None:
    """Have the clock go wrong by that many seconds; within one, the server sees it."""
    _file(folder).write_text(f"{seconds:+d}\n")


def take(folder: Path) -> None:
    """Let the server start with the machine's clock again."""
    _file(folder).unlink(missing_ok=True)


def environment(folder: Path) -> dict[str, str]:
    """What a server of this folder needs to be started with; nothing where it has no clock of its own."""
    if not _file(folder).exists():
        return {}
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(_file(folder)),
        "FAKETIME_CACHE_DURATION": "1",
        # As on a machine whose clock somebody sets: timers do not notice.
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def _file(folder: Path) -> Path:
    return folder / "clock"


def _library() -> Path:
    place = cache() / _PACKAGE
    with one_at_a_time():
        if not list(place.glob(_LIBRARY)):
            place.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(prefix="taskrunner-apt-") as folder:
                run("apt-get", "-q", "-o", "APT::Sandbox::User=", "download", _PACKAGE, cwd=Path(folder))
                for archive in Path(folder).glob("*.deb"):
                    run("dpkg-deb", "--extract", str(archive), str(place))
    found = next(iter(place.glob(_LIBRARY)), None)
    if found is None:
        raise ProgramsMissing(f"Debian's {_PACKAGE} holds no {_LIBRARY}")
    return found
