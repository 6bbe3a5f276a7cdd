"""`taskrunner hosts`: show the state of target hosts, reset and limit them."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from taskrunner.api.views.host import HostDetail, HostLimitView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.streams import LineOutput
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.hosts.host_view import HostView
from taskrunner.producer.audit_trail import Change
from taskrunner.producer.host_admin import HostAdmin, HostLimitEntry


@click.group(cls=CommandGroup, name="hosts")
def hosts_command() -> None:
    """Show the state of target hosts, reset and limit them.

    Write a host as in its URLs: example.com, example.com:8443. Limits also take *.example.com and *.
    """


@hosts_command.command(name="list")
@config_option
@click.option(
    "--limit", type=click.IntRange(min=1, max=2000), default=200, help="Print at most this many hosts."
)
@json_option
def list_hosts(config_path: Path | None, limit: int, as_json: bool) -> None:
    """Print hosts that are limited, slowed or stopped, then all limits."""

    async def use(hosts: HostAdmin) -> None:
        with LineOutput() as output:
            for host in (await hosts.list(limit=limit)).items:
                output.write(_host_line(host, as_json=as_json))
            for shown in await hosts.limits():
                output.write(_limit_line(shown, as_json=as_json))

    _use(config_path, use)


@hosts_command.command()
@config_option
@click.argument("host")
@json_option
def show(config_path: Path | None, host: str, as_json: bool) -> None:
    """Print the state of a host."""

    async def use(hosts: HostAdmin) -> None:
        click.echo(_host_line(await hosts.show(host), as_json=as_json))

    _use(config_path, use)


@hosts_command.command()
@config_option
@click.argument("host")
@json_option
def reset(config_path: Path | None, host: str, as_json: bool) -> None:
    """Close the circuit breaker of a host and end its slowdown.

    Waiting tasks ask again within seconds; beyond the newest 10,000, at their due times.
    """

    async def use(hosts: HostAdmin) -> None:
        click.echo(_host_line(await hosts.reset(host), as_json=as_json))

    _use(config_path, use, "hosts.reset", host)


@hosts_command.group(cls=CommandGroup)
def limit() -> None:
    """Set or remove limits. Limits from the configuration can only be changed there."""


@limit.command(name="set")
@config_option
@click.argument("pattern")
@click.option("--concurrency", type=int, metavar="N", help="Attempts at a time.")
@click.option("--rate", metavar="RATE", help="Starts per second, minute or hour: 10/s, 90/m, 5/h.")
@click.option(
    "--burst",
    type=int,
    metavar="N",
    help="Starts at once after a rest [default: one second's worth, at least 1].",
)
@json_option
def set_limit(
    config_path: Path | None,
    pattern: str,
    concurrency: int | None,
    rate: str | None,
    burst: int | None,
    as_json: bool,
) -> None:
    """Limit each host that matches a pattern. Only the most specific pattern applies."""
    fields = {"concurrency": concurrency, "rate": rate, "burst": burst}

    async def use(hosts: HostAdmin) -> None:
        click.echo(_limit_line(await hosts.set_limit(pattern, fields), as_json=as_json))

    _use(config_path, use, "hosts.limit.set", pattern)


@limit.command()
@config_option
@click.argument("pattern")
def remove(config_path: Path | None, pattern: str) -> None:
    """Remove a limit that was set with this command or the API."""

    async def use(hosts: HostAdmin) -> None:
        await hosts.remove_limit(pattern)

    _use(config_path, use, "hosts.limit.delete", pattern)


def _use(
    config_path: Path | None,
    use: Callable[[HostAdmin], Awaitable[None]],
    action: str | None = None,
    target: str = "",
) -> None:
    """`action` is for the audit, None for a command that only reads."""

    async def on_platform(platform: Platform, _: Change | None = None) -> int:
        await use(platform.hosts)
        return 0

    config = load(config_path)
    if action is None:
        raise SystemExit(run(operate(config, on_platform)))
    raise SystemExit(run(change(config, on_platform, action, target)))


def _host_line(host: HostView, *, as_json: bool) -> str:
    if as_json:
        return encode(HostDetail.of(host)).decode()
    words = [host.host, host.condition.value]
    if host.until is not None:
        words.append(f"until {host.until:%Y-%m-%dT%H:%M:%SZ}")
    if host.pace is not None:
        words.append(f"one in {host.pace:.3g} s")
    if host.in_flight is not None:
        words.append(f"{host.in_flight} in flight")
    if host.waiting_until is not None:
        words.append(f"tasks wait until {host.waiting_until:%Y-%m-%dT%H:%M:%SZ}")
    if host.applied is not None:
        words.append(f"limited by {host.applied.pattern}: {host.applied.limit.text}")
    return "  ".join(words)


def _limit_line(shown: HostLimitEntry, *, as_json: bool) -> str:
    if as_json:
        return encode(HostLimitView.of(shown)).decode()
    source = "" if shown.given else "  (configuration)"
    return f"limit {shown.pattern}  {shown.limit.text}{source}"
