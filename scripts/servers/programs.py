"""The servers' programs: finding them, and installing missing ones.

Law: existing programs are not touched, and the system does not start what is installed.
"""

import fcntl
import glob
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

SERVICES = ("rabbitmq", "redis", "postgres")
_PROGRAMS = {
    "rabbitmq": ("rabbitmq-server", "rabbitmqctl", "epmd"),
    "redis": ("redis-server",),
    "postgres": ("initdb", "postgres"),
    "pgbouncer": ("pgbouncer",),
    "chromium": ("chromium",),
    "prometheus": ("prometheus", "promtool"),
}
_PACKAGES = {
    "rabbitmq": "rabbitmq-server",
    "redis": "redis-server",
    "postgres": "postgresql",
    "pgbouncer": "pgbouncer",
    "chromium": "chromium",
    "prometheus": "prometheus",
}
# Before PATH: for RabbitMQ, the scripts behind Debian's wrapper; PostgreSQL's programs are not on PATH.
_PLACES = (
    "/usr/lib/rabbitmq/bin",
    "/usr/lib/postgresql/*/bin",
    "/usr/local/sbin",
    "/usr/sbin",
    "/opt/homebrew/sbin",
)
OVERRIDE = "TASKRUNNER_TEST_PROGRAMS"
_POLICY = "/usr/sbin/policy-rc.d"


class ProgramsMissing(Exception):
    """Programs of a server are missing and could not be installed; the message says what to do."""


def find_program(name: str) -> str | None:
    """The path of a program. Folders in $TASKRUNNER_TEST_PROGRAMS come first, to test other versions."""
    places = [path for pattern in _PLACES for path in sorted(glob.glob(pattern), key=_version, reverse=True)]
    return shutil.which(
        name, path=os.pathsep.join([os.environ.get(OVERRIDE, ""), *places, os.environ["PATH"]])
    )


def program(service: str, name: str) -> str:
    """The path of a program; raises `ProgramsMissing` without it."""
    if path := find_program(name):
        return path
    raise ProgramsMissing(f"{name} is missing: run `python scripts/services.py install --with {service}`")


def has_programs(service: str) -> bool:
    return all(find_program(name) for name in _PROGRAMS[service])


def docker_answers() -> bool:
    """Whether a Docker client and its daemon are available."""
    if not shutil.which("docker"):
        return False
    asked = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        return subprocess.run(asked, capture_output=True, timeout=10).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def install(services: Iterable[str]) -> None:
    """Make each service startable, with installed programs, apt or Docker; otherwise raise `ProgramsMissing`.

    One install at a time on a machine: apt's own lock does not cover `apt-get update`.
    """
    with one_at_a_time():
        missing = [service for service in services if not has_programs(service)]
        if not missing:
            return
        packages = [_PACKAGES[service] for service in missing]
        prefix = _root_prefix()
        reason = "there is no apt-get, or neither root nor sudo"
        if prefix is not None:
            reason = _apt_install(packages, prefix)
            missing = [service for service in missing if not has_programs(service)]
        if missing and not docker_answers():
            raise ProgramsMissing(
                f"cannot start {', '.join(missing)}: not installed, apt could not help ({reason}), and no "
                "Docker daemon answers.\nInstall them (Debian, Ubuntu: "
                f"`apt-get install {' '.join(packages)}`) or start Docker."
            )


def _root_prefix() -> list[str] | None:
    """The prefix of a command that needs root; None without apt, or without root and sudo."""
    if not shutil.which("apt-get"):
        return None
    if os.geteuid() == 0:
        return []
    if not shutil.which("sudo"):
        return None
    sudo = ["sudo"] if sys.stdin.isatty() else ["sudo", "-n"]
    return sudo if subprocess.run([*sudo, "true"]).returncode == 0 else None


def _apt_install(packages: list[str], prefix: list[str]) -> str:
    """Install packages without starting their services; returns why it failed, or an empty string."""
    print(f"services: installing {' '.join(packages)} by apt", file=sys.stderr, flush=True)
    apt = [*prefix, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o", "DPkg::Lock::Timeout=300"]
    quiet = ["-o", "Dpkg::Use-Pty=0"]
    with _no_autostart(prefix):
        for command in (["update"], ["install", "-y", "--no-install-recommends", *quiet, *packages]):
            done = subprocess.run(
                [*apt, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            # A broken third-party source fails `update` although Debian's own lists are fine.
            if done.returncode and command[0] == "install":
                print(done.stdout.decode(errors="replace"), file=sys.stderr)
                return f"apt-get install failed with exit code {done.returncode}, see above"
    if Path("/run/systemd/system").is_dir():
        # They would still start at the machine's next boot.
        subprocess.run([*prefix, "systemctl", "disable", "--quiet", *(_unit(name) for name in packages)])
    return ""


@contextmanager
def _no_autostart(prefix: list[str]) -> Iterator[None]:
    """Debian asks policy-rc.d whether a new service may start: answer no, unless there is such a file."""
    if Path(_POLICY).exists():
        yield
        return
    write = f"printf '#!/bin/sh\\nexit 101\\n' >{_POLICY} && chmod 755 {_POLICY}"
    subprocess.run([*prefix, "sh", "-c", write], check=True)
    try:
        yield
    finally:
        subprocess.run([*prefix, "rm", "-f", _POLICY])


@contextmanager
def one_at_a_time() -> Iterator[None]:
    """Block other installs by this user on this machine."""
    path = Path(tempfile.gettempdir()) / f"taskrunner-install-{os.getuid()}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _unit(package: str) -> str:
    return f"{package}.service"


def _version(path: str) -> list[int]:
    return [int(part) for part in path.split("/") if part.isdigit()]
