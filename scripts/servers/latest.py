"""RabbitMQ and Redis newer than the system's: packages of another Debian release, unpacked into a folder.

Law: nothing is installed, no package script runs, and the system's apt is not changed. The packages come from
the system's Debian archive, and apt checks them against Debian's keys. They are unpacked once, into the
user's cache; delete that folder to get newer ones.
"""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from servers.programs import ProgramsMissing, one_at_a_time

RELEASE = "trixie"  # Debian 13: RabbitMQ 4.0, Redis 8.0, Valkey 8.1
_PACKAGES = ("rabbitmq-server", "redis-server", "valkey-server")
_REDIS = ("redis-server", "redis-cli")
_VALKEY = ("valkey-server", "valkey-cli")
_RABBITMQ = ("rabbitmq-server", "rabbitmqctl")
_ELF = b"\x7fELF"
_READY = ".ready"


def programs(*, valkey: bool = False) -> Path:
    """The folder with the programs; with `valkey`, Valkey replaces Redis."""
    place = cache() / f"debian-{RELEASE}"
    with one_at_a_time():
        if not (place / _READY).exists():
            print(f"services: unpacking Debian {RELEASE}'s servers", file=sys.stderr, flush=True)
            _make(place)
    return place / ("valkey" if valkey else "redis")


def _make(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)  # what an interrupted try has left
    place.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="taskrunner-apt-") as folder:
        for archive in _download(Path(folder)):
            run("dpkg-deb", "--extract", str(archive), str(place / "root"))
    _adopt(place)
    (place / _READY).touch()


def _download(folder: Path) -> list[Path]:
    """The packages with all their dependencies, from a separate apt that believes nothing is installed."""
    for name in ("lists/partial", "archives/partial", "state"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text("\n".join(_sources()) + "\n")
    options = {
        "Dir::Etc::sourcelist": "sources.list",
        "Dir::Etc::sourceparts": "none",
        "Dir::State": "state",
        "Dir::State::lists": "lists",
        "Dir::State::status": "status",
        "Dir::Cache": "",
    }
    apt = ["apt-get", "-q", "-y", "-o", "APT::Sandbox::User="]
    for name, path in options.items():
        apt += ["-o", f"{name}={folder / path}"]
    run(*apt, "update")
    run(*apt, "--no-install-recommends", "--download-only", "install", *_PACKAGES)
    return sorted((folder / "archives").glob("*.deb"))


def _sources() -> list[str]:
    """The system's Debian archive, with the name of the other release."""
    if not shutil.which("apt-get"):
        raise ProgramsMissing("the latest servers are Debian packages, but this machine has no apt-get")
    output = run(
        *("apt-get", "indextargets", "--format", "$(REPO_URI) $(LABEL) $(COMPONENT)", "Created-By: Packages")
    )
    places = {tuple(line.split()) for line in output.splitlines()}
    found = sorted(place[0] for place in places if place[1:] == ("Debian", "main"))
    if not found:
        raise ProgramsMissing("apt has no Debian archive: run `apt-get update`, or check its sources")
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    return [f"deb [signed-by={keys}] {uri} {RELEASE} main" for uri in found[:1]]


def _adopt(place: Path) -> None:
    """Make the programs run from this folder, with the libraries that came with them."""
    root = place / "root"
    (loader,) = root.glob("usr/lib/*/ld-linux*.so.*")
    start = f"exec {loader} --library-path {loader.parent}"
    erlang = root / "usr/lib/erlang"
    for path in _executables(erlang):
        with path.open("rb") as file:
            head = file.read(4)
        if head == _ELF:
            own = path.with_name(f"{path.name}.elf")
            path.rename(own)
            _script(path, f'{start} --argv0 "$0" {own} "$@"')
        elif head.startswith(b"#!"):
            path.write_text(path.read_text().replace("=/usr/lib/erlang", f"={erlang}"))
    for kind, names in (("redis", _REDIS), ("valkey", _VALKEY)):
        for name in names:
            called = name.replace("valkey", "redis")
            _script(place / kind / called, f'{start} --argv0 {name} {root / "usr/bin" / name} "$@"')
        for name in _RABBITMQ:
            erl = f"PATH={erlang / 'bin'}:$PATH"
            _script(place / kind / name, f'{erl} exec {root / "usr/lib/rabbitmq/bin" / name} "$@"')
        (place / kind / "epmd").symlink_to(erlang / "bin/epmd")


def _executables(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        is_program = path.is_file() and not path.is_symlink() and ".so" not in path.suffixes
        if is_program and path.stat().st_mode & stat.S_IXUSR:
            yield path


def _script(path: Path, line: str) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{line}\n")
    path.chmod(0o755)


def cache() -> Path:
    """The user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "taskrunner" / "servers"


def run(*command: str, cwd: Path | None = None) -> str:
    """The output of a command; raises `ProgramsMissing` if it fails."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        raise ProgramsMissing(f"{' '.join(command[:1])} failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
