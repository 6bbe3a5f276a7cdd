"""A separate clock for a server, which a test can set, with libfaketime.

Law: nothing is installed. Debian's package is unpacked into the user's cache, once.
"""

import tempfile
from pathlib import Path

from servers.latest import cache, run
from servers.programs import ProgramsMissing, one_at_a_time

_PACKAGE = "libfaketime"
_LIBRARY = "usr/lib/*/faketime/libfaketimeMT.so.1"


def give(folder: Path) -> None:
    """Make the server in this folder start with a separate clock, which is right at first."""
    _library()
    move(folder, 0)


def move(folder: Path, seconds: int) -> None:
    """Set the clock off by that many seconds; the server sees it within a second."""
    _file(folder).write_text(f"{seconds:+d}\n")


def take(folder: Path) -> None:
    """Make the server start with the machine's clock again."""
    _file(folder).unlink(missing_ok=True)


def environment(folder: Path) -> dict[str, str]:
    """The environment to start a server of this folder with; empty if it has no separate clock."""
    if not _file(folder).exists():
        return {}
    return {
        "LD_PRELOAD": str(_library()),
        "FAKETIME_TIMESTAMP_FILE": str(_file(folder)),
        "FAKETIME_CACHE_DURATION": "1",
        # As on a machine whose clock is set by hand: timers are not affected.
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
