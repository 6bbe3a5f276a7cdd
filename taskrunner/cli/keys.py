"""`taskrunner keys`: create, list, revoke and rotate API keys."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from taskrunner.api.views.api_key import ApiKeyView, NewApiKeyView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import DURATION, config_option, json_option
from taskrunner.cli.table import each_of, print_list
from taskrunner.config import load
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.codec import encode
from taskrunner.domain.hosts.host_limit import rate_text
from taskrunner.domain.keys.api_key import ApiKey, Scope, new_secret, read_scopes
from taskrunner.domain.keys.api_key_draft import KeyLimit, KeyLimitPatch
from taskrunner.producer.audit_trail import Change
from taskrunner.producer.key_admin import NewKey
from taskrunner.stores.base import KnownKey

_HEADERS = ("NAME", "KEY", "SCOPES", "OWNER", "LIMIT", "STATE", "LAST USED")
_LIMITS = ", ".join(f"--{name.replace('_', '-')}" for name in KeyLimitPatch.model_fields)


def _limit_options(function: Any) -> Any:
    rate = click.option(
        "--rate", metavar="RATE", help="Requests per second, minute or hour: 50/s, 90/m, 5/h."
    )
    burst = click.option(
        "--burst", type=int, metavar="N", help="Requests at once after a rest [default: a second's worth]."
    )
    live = click.option(
        "--max-live-tasks", type=int, metavar="N", help="Tasks at a time that have not ended."
    )
    stored = click.option(
        "--max-stored-bytes", type=int, metavar="N", help="Bytes of tasks and results that are kept."
    )
    return rate(burst(live(stored(function))))


@click.group(cls=CommandGroup, name="keys")
def keys_command() -> None:
    """Manage API keys. A key is shown once, when it is made."""


@keys_command.command()
@config_option
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help=f"What it may do; repeatable: {', '.join(Scope)}.",
)
@click.option("--owner", help="A team or a person.")
@click.option("--expires-in", type=DURATION, metavar="DURATION", help="Refuse it after this time, e.g. 90d.")
@_limit_options
@json_option
def create(
    config_path: Path | None,
    name: str,
    scopes: tuple[str, ...],
    owner: str | None,
    expires_in: float | None,
    as_json: bool,
    **limits: Any,
) -> None:
    """Make a key and print it. Nobody can show it again."""
    allowed = read_scopes(scopes)
    limit = KeyLimit.from_fields(limits)

    async def use(platform: Platform, _: Change) -> int:
        until = None if expires_in is None else platform.clock.now() + timedelta(seconds=expires_in)
        _print(
            await platform.key_admin.create(name, allowed, owner=owner, expires_at=until, limit=limit),
            as_json,
        )
        return 0

    raise SystemExit(run(change(load(config_path), use, "keys.create", name)))


@keys_command.command()
@config_option
@click.argument("name")
@_limit_options
@click.option("--none", "unlimited", is_flag=True, help="Remove all limits.")
@json_option
def limit(config_path: Path | None, name: str, unlimited: bool, as_json: bool, **limits: Any) -> None:
    """Limit the requests and tasks of a key. It takes effect everywhere within a second."""
    given = {each: value for each, value in limits.items() if value is not None}
    if bool(given) is unlimited:
        raise click.UsageError(f"give one or more of {_LIMITS}; or only --none")
    patch = KeyLimitPatch.from_fields(given or dict.fromkeys(KeyLimitPatch.model_fields))

    async def use(platform: Platform, _: Change) -> int:
        key = (await platform.key_admin.limit(name, patch)).key
        if as_json:
            click.echo(encode(ApiKeyView.of_key(key)))
        else:
            click.echo(f"{name} {_limit_text(key)}")
        return 0

    raise SystemExit(run(change(load(config_path), use, "keys.change", name)))


@keys_command.command(name="list")
@config_option
@json_option
def list_keys(config_path: Path | None, as_json: bool) -> None:
    """Print all keys by name, revoked ones included."""

    async def use(platform: Platform) -> int:
        known = each_of(await platform.key_admin.list())
        return await print_list(known, _HEADERS, _row, ApiKeyView.of, as_json=as_json)

    raise SystemExit(run(operate(load(config_path), use)))


@keys_command.command()
@config_option
@click.argument("name")
def revoke(config_path: Path | None, name: str) -> None:
    """Refuse a key from now on. It takes effect everywhere within a second."""

    async def use(platform: Platform, _: Change) -> int:
        await platform.key_admin.revoke(name)
        click.echo(f"{name} revoked")
        return 0

    raise SystemExit(run(change(load(config_path), use, "keys.revoke", name)))


@keys_command.command()
@config_option
@click.argument("name")
@click.option(
    "--grace", type=DURATION, default=0.0, metavar="DURATION", help="Accept the present key for this long."
)
@json_option
def rotate(config_path: Path | None, name: str, grace: float, as_json: bool) -> None:
    """Give a key another secret and print it; name, scopes and tasks stay."""

    async def use(platform: Platform, _: Change) -> int:
        _print(await platform.key_admin.rotate(name, grace=grace), as_json)
        return 0

    raise SystemExit(run(change(load(config_path), use, "keys.rotate", name)))


@keys_command.command()
def generate() -> None:
    """Print a new key for Api.keys, and store nothing."""
    click.echo(new_secret())


def _print(made: NewKey, as_json: bool) -> None:
    if as_json:
        click.echo(encode(NewApiKeyView.of_key(made.key, secret=made.secret)))
        return
    click.echo(made.secret)
    click.echo("taskrunner: keep it now, nobody can show it again", err=True)


def _row(known: KnownKey) -> tuple[str, ...]:
    key, now = known.key, SystemClock().now()
    if key.revoked_at is not None:
        state = "revoked"
    elif key.expires_at is not None:
        state = "expired" if key.expires_at <= now else f"until {key.expires_at:%Y-%m-%d %H:%M}"
    else:
        state = "good" if key.created_at else "good (configuration)"
    used = "never" if known.last_used_at is None else f"{known.last_used_at:%Y-%m-%d %H:%M}"
    return key.name, f"{key.hint}…", ",".join(key.scopes), key.owner or "-", _limit_text(key), state, used


def _limit_text(key: ApiKey) -> str:
    limiter = key.limiter
    texts = [] if limiter is None else [f"{rate_text(key.rate)} burst={limiter.burst}"]
    if key.max_live_tasks is not None:
        texts.append(f"live={key.max_live_tasks}")
    if key.max_stored_bytes is not None:
        texts.append(f"stored={key.max_stored_bytes}")
    return " ".join(texts) or "-"
