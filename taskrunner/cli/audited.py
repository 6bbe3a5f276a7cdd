"""Auditing of commands: what is recorded of a command that changes something in the store."""

import os
import pwd
import socket
from collections.abc import Awaitable, Callable

import click

from taskrunner.app.platform import Platform, operate
from taskrunner.config import Config
from taskrunner.domain.keys.audit import Actor, AuditSource
from taskrunner.domain.process_events import AuditLost
from taskrunner.producer.audit_trail import Change


def command_actor() -> Actor:
    """The user of the operating system who runs this command, and the machine."""
    try:
        # Not $USER, which anybody can set.
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = f"uid {os.getuid()}"
    return Actor(source=AuditSource.CLI, origin=f"{user}@{socket.gethostname()}")


def tell_if_lost(lost: AuditLost | None) -> None:
    """Say on stderr that an entry could not be written."""
    if lost is not None:
        click.echo(f"taskrunner: done, but not audited: {lost.error}", err=True)


async def change(
    config: Config,
    use: Callable[[Platform, Change], Awaitable[int]],
    action: str,
    target: str,
    *,
    dry_run: bool = False,
    publishes: bool = False,
) -> int:
    """As `operate`, for a `use` that changes something: with an entry in the audit, unless `dry_run`."""

    async def recorded(platform: Platform) -> int:
        if dry_run:
            return await use(platform, Change())
        changed: Change | None = None
        try:
            async with platform.audit.recording(command_actor(), action, target) as changed:
                return await use(platform, changed)
        finally:
            if changed is not None:
                tell_if_lost(changed.lost)

    return await operate(config, recorded, publishes=publishes)
