"""Private RabbitMQ, Redis and PostgreSQL for tests, benchmarks and demos, on free ports with temporary data.

    python scripts/services.py run -- pytest tests/system          start, run a command, stop
    python scripts/services.py run --version latest -- COMMAND     the same on newer servers
    python scripts/services.py start                               start and leave running; prints the folder
    python scripts/services.py restart rabbitmq --dir DIR --kill   kill -9, start on the same port and data
    python scripts/services.py stop --dir DIR                      stop, remove all data

From a test that runs under `run` (with `scripts` on the import path):

    import services
    services.restart("redis", kill=True)        # or down(...), then up(...) for an outage in between
    services.save_queue_names()                 # before a kill -9 of RabbitMQ: see its docstring
"""

import argparse
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from servers.fleet import ENDING_SIGNALS, Fleet, known_folders
from servers.latest import programs as latest_programs
from servers.process import Process, ServerFailed, end_with_parent
from servers.programs import OVERRIDE, SERVICES, ProgramsMissing, install, program
from servers.rabbitmq import RabbitMQ

DEFAULT_SERVICES = "rabbitmq,redis"
VERSIONS = ("installed", "latest", "valkey")
_COMMAND_ENDS_WITHIN = 60.0


class Interrupted(Exception):
    """A signal asked this command to stop."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def current() -> Fleet:
    """The servers of the `run` that started this process, found by $TASKRUNNER_TEST_SERVICES."""
    if state_file := os.environ.get("TASKRUNNER_TEST_SERVICES"):
        return Fleet(Path(state_file).parent)
    raise ServerFailed(
        "TASKRUNNER_TEST_SERVICES is not set: run under `python scripts/services.py run -- COMMAND`"
    )


def restart(name: str, *, kill: bool = False, fleet: Fleet | None = None) -> None:
    """Stop a server, gracefully or with kill -9, and start it on the same port and data; wait until ready."""
    down(name, kill=kill, fleet=fleet)
    up(name, fleet=fleet)


def down(name: str, *, kill: bool = False, fleet: Fleet | None = None) -> None:
    """Stop a server and leave it down.

    RabbitMQ's queue names are saved before a kill -9: losing them is a bug of RabbitMQ, not of ours.
    """
    if kill and name == "rabbitmq":
        save_queue_names(fleet)
    (fleet or current()).down(name, kill=kill)


def up(name: str, *, fleet: Fleet | None = None) -> None:
    """Start a server that is down; return when it is ready."""
    (fleet or current()).up(name)


def save_queue_names(fleet: Fleet | None = None) -> None:
    """Let newly declared queues survive a kill -9 of RabbitMQ; see `RabbitMQ.save_queue_names`."""
    server = (fleet or current()).server("rabbitmq")
    if isinstance(server, RabbitMQ):  # the Docker image has the fix
        server.save_queue_names()


def run(names: Sequence[str], command: Sequence[str]) -> int:
    """Run `command` with private servers; return its exit code, 128 + N after signal N."""
    for number in ENDING_SIGNALS:
        signal.signal(number, _raise_interrupted)
    fleet: Fleet | None = None
    try:
        install(names)
        fleet = Fleet.create()
        _start_servers(fleet, names)
        return _run_command(command, os.environ | fleet.environment())
    except Interrupted as interruption:
        return 128 + interruption.number
    finally:
        for number in ENDING_SIGNALS:
            signal.signal(number, signal.SIG_IGN)  # from here on the data is removed, whatever the user types
        if fleet:
            fleet.stop()


def _raise_interrupted(number: int, _frame: FrameType | None) -> None:
    raise Interrupted(number)


def _run_command(command: Sequence[str], environment: dict[str, str]) -> int:
    try:
        child = subprocess.Popen(command, env=environment, preexec_fn=lambda: end_with_parent(signal.SIGTERM))
    except OSError as error:
        _print(f"cannot run {command[0]}: {error.strerror}")
        return 127
    try:
        code = child.wait()
    except Interrupted as interruption:
        # A terminal sends Ctrl-C to the whole foreground group: the command already has it, and a second one
        # would interrupt its clean-up.
        if interruption.number != signal.SIGINT or not sys.stdin.isatty():
            child.send_signal(interruption.number)
        try:
            child.wait(_COMMAND_ENDS_WITHIN)
        except (subprocess.TimeoutExpired, Interrupted):
            child.kill()
            child.wait()
        raise
    return code if code >= 0 else 128 - code


def _start_servers(fleet: Fleet, names: Sequence[str]) -> None:
    began = time.monotonic()
    fleet.start(names)
    facts = fleet.read()["services"]
    addresses = ", ".join(f"{name} on {facts[name]['port']}" for name in names)
    _print(f"{addresses}; ready in {time.monotonic() - began:.1f} s")


def _print(text: str) -> None:
    print(f"services: {text}", file=sys.stderr, flush=True)


def _start(directory: Path | None, names: Sequence[str]) -> int:
    install(names)
    fleet = Fleet.create(directory, outlives_us=True)
    try:
        _start_servers(fleet, names)
    except BaseException:
        fleet.stop()
        raise
    environment = fleet.environment()
    if OVERRIDE in os.environ:
        environment[OVERRIDE] = os.environ[OVERRIDE]
    for key, value in environment.items():
        print(f"export {key}={value}")
    print(f"# stop: python scripts/services.py stop --dir {fleet.directory}")
    return 0


def _status(directory: Path | None) -> int:
    for folder in [directory] if directory else known_folders():
        fleet = Fleet(folder)
        print(fleet.directory)
        for name, facts in fleet.read()["services"].items():
            server = fleet.server(name)
            state = "ready" if server.is_ready() else "starting" if server.is_running else "down"
            print(f"  {name:<10}{state:<10}pid {facts['pid']}  {facts['url']}")
    return 0


def _control(directory: Path, arguments: Sequence[str]) -> int:
    environment = os.environ | Fleet(directory).server("rabbitmq").control()
    return subprocess.run([program("rabbitmq", "rabbitmqctl"), *arguments], env=environment).returncode


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in SERVICES:
            raise argparse.ArgumentTypeError(f"{name!r} is not one of {', '.join(SERVICES)}")
    return names


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")

    choice = argparse.ArgumentParser(add_help=False)
    what = f"comma-separated list of {', '.join(SERVICES)}; default {DEFAULT_SERVICES}"
    choice.add_argument(
        "--with", dest="names", type=_names, default=_names(DEFAULT_SERVICES), metavar="NAMES", help=what
    )
    which = "installed on this machine, or the latest; valkey replaces Redis with Valkey"
    choice.add_argument("--version", choices=VERSIONS, default=VERSIONS[0], help=which)
    place = argparse.ArgumentParser(add_help=False)
    place.add_argument("--dir", dest="directory", type=Path, required=True)
    place_or_any = argparse.ArgumentParser(add_help=False)
    place_or_any.add_argument("--dir", dest="directory", type=Path)
    one = argparse.ArgumentParser(add_help=False)
    one.add_argument("name", choices=SERVICES)
    force = argparse.ArgumentParser(add_help=False)
    force.add_argument("--kill", action="store_true", help="kill -9 instead of a graceful stop")

    verb = verbs.add_parser("run", parents=[choice], help="start servers, run a command, stop them")
    verb.add_argument("command", nargs="+", metavar="COMMAND")
    verbs.add_parser("install", parents=[choice], help="install missing programs")
    verbs.add_parser("start", parents=[choice, place_or_any], help="start servers and leave them running")
    verbs.add_parser("stop", parents=[place], help="stop the servers of a folder and remove their data")
    verbs.add_parser("down", parents=[one, place, force], help="stop one server, keep its data")
    verbs.add_parser("up", parents=[one, place], help="start a stopped server")
    verbs.add_parser("restart", parents=[one, place, force], help="down, then up")
    verbs.add_parser("status", parents=[place_or_any], help="show the servers of one folder or of all")
    verb = verbs.add_parser("watch", parents=[place], help="stop the servers when another process ends")
    verb.add_argument("--owner", type=int, required=True, metavar="PID")
    verb = verbs.add_parser("ctl", parents=[place], help="run rabbitmqctl on a folder's RabbitMQ")
    verb.add_argument("arguments", nargs="+", metavar="ARGUMENT")
    return parser


def choose(version: str) -> None:
    """Make this process, and its children, use servers of another version."""
    if version != VERSIONS[0]:
        os.environ[OVERRIDE] = str(latest_programs(valkey=version == "valkey"))


def _dispatch(options: argparse.Namespace) -> int:
    if "version" in options:
        choose(options.version)
    match options.verb:
        case "run":
            return run(options.names, options.command)
        case "install":
            install(options.names)
        case "start":
            return _start(options.directory, options.names)
        case "stop":
            Fleet(options.directory).stop()
        case "down":
            down(options.name, kill=options.kill, fleet=Fleet(options.directory))
        case "up":
            up(options.name, fleet=Fleet(options.directory))
        case "restart":
            restart(options.name, kill=options.kill, fleet=Fleet(options.directory))
        case "watch":
            Fleet(options.directory).watch(Process.known_by(options.owner))
        case "status":
            return _status(options.directory)
        case "ctl":
            return _control(options.directory, options.arguments)
    return 0


def main() -> int:
    try:
        return _dispatch(_parser().parse_args())
    except (ServerFailed, ProgramsMissing) as error:
        _print(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
