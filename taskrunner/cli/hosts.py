"""`taskrunner hosts`: how things are with hosts, and their limits."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from taskrunner.api.views.host import HostDetail, HostLimitView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.group import Group
from taskrunner.cli.options import config_option
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.host_view import HostView
from taskrunner.producer.hosts import Hosts, ShownLimit

_json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


@click.group(cls=Group, name="hosts")
def command() -> None:
    """See and limit what hosts get.

    A host is named as in its URLs: example.com, example.com:8443. Limits may be for *.example.com or *, too.
    """


@command.command(name="list")
@config_option
@click.option("--limit", type=click.IntRange(min=1, max=2000), default=200, help="Print no more than this.")
@_json_option
def list_hosts(config_path: Path | None, limit: int, as_json: bool) -> None:
    """Print the hosts that are limited or in trouble and have tasks, then all limits."""

    async def use(hosts: Hosts) -> None:
        for host in await hosts.list(limit=limit):
            _print_host(host, as_json=as_json)
        for shown in await hosts.limits():
            _print_limit(shown, as_json=as_json)

    _use(config_path, use)


@command.command()
@config_option
@click.argument("host")
@_json_option
def show(config_path: Path | None, host: str, as_json: bool) -> None:
    """Print how things are with a host."""

    async def use(hosts: Hosts) -> None:
        _print_host(await hosts.show(host), as_json=as_json)

    _use(config_path, use)


@command.command()
@config_option
@click.argument("host")
@_json_option
def reset(config_path: Path | None, host: str, as_json: bool) -> None:
    """Close the circuit of a host and take back a slowdown.

    Tasks that wait for it come back at the time that they were given.
    """

    async def use(hosts: Hosts) -> None:
        _print_host(await hosts.reset(host), as_json=as_json)

    _use(config_path, use)


@command.group(cls=Group)
def limit() -> None:
    """Set or remove limits; those of the configuration are changed there."""


@limit.command(name="set")
@config_option
@click.argument("pattern")
@click.option("--concurrency", type=int, metavar="N", help="So many attempts at a time.")
@click.option("--rate", metavar="RATE", help="So many starts: 10/s, 90/m or 5/h.")
@click.option(
    "--burst", type=int, metavar="N", help="So many at once after a rest [default: a second's worth]."
)
@_json_option
def set_limit(
    config_path: Path | None,
    pattern: str,
    concurrency: int | None,
    rate: str | None,
    burst: int | None,
    as_json: bool,
) -> None:
    """Limit a host, or each one that a pattern holds for; the most specific pattern counts."""
    fields = {"concurrency": concurrency, "rate": rate, "burst": burst}

    async def use(hosts: Hosts) -> None:
        _print_limit(await hosts.set_limit(pattern, fields), as_json=as_json)

    _use(config_path, use)


@limit.command()
@config_option
@click.argument("pattern")
def remove(config_path: Path | None, pattern: str) -> None:
    """Take back a limit that was set here or by the API."""

    async def use(hosts: Hosts) -> None:
        await hosts.remove_limit(pattern)

    _use(config_path, use)


def _use(config_path: Path | None, use: Callable[[Hosts], Awaitable[None]]) -> None:
    async def on_platform(platform: Platform) -> int:
        await use(platform.hosts)
        return 0

    raise SystemExit(run(operate(load(config_path), on_platform)))


def _print_host(host: HostView, *, as_json: bool) -> None:
    if as_json:
        click.echo(encode(HostDetail.of(host)).decode())
        return
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
    click.echo("  ".join(words))


def _print_limit(shown: ShownLimit, *, as_json: bool) -> None:
    if as_json:
        click.echo(encode(HostLimitView.of(shown)).decode())
        return
    source = "" if shown.given else "  (configuration)"
    click.echo(f"limit {shown.pattern}  {shown.limit.text}{source}")
