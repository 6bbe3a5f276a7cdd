"""`taskrunner executors check`: what a module registers as handlers, and what is wrong with it."""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import click

from taskrunner.app.handlers import read_handlers
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.table import print_table
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.handlers.python.manifest import HandlerManifest

_HEADERS = ("NAME", "FUNCTION", "ATTEMPTS", "TIMEOUT", "SCHEMA", "DESCRIPTION")


@click.command("check", cls=Command)
@click.argument("modules", nargs=-1, required=True, metavar="MODULE...")
@config_option
@json_option
def check_command(modules: Sequence[str], config_path: Path | None, as_json: bool) -> None:
    """Import modules of Python handlers and print the handlers that they register.

    Checks names, signatures, schemas, retry policies and the limits of the configuration, and exits with 2 if
    a module cannot be imported or anything is wrong. Modules are looked for in the current folder, then where
    Python looks.
    """
    handlers = read_handlers(modules, os.getcwd(), load(config_path).task_limits())
    if as_json:
        for each in handlers:
            click.echo(encode(each).decode())
        return
    asyncio.run(print_table(_HEADERS, _rows(handlers)))


async def _rows(handlers: Sequence[HandlerManifest]) -> AsyncIterator[Sequence[str]]:
    for each in handlers:
        yield (
            each.name,
            "async" if each.is_async else "sync",
            _or_default(each.max_attempts),
            "default" if each.timeout is None else f"{each.timeout:g} s",
            "any JSON" if each.schema is None else _title(each),
            each.description or "",
        )


def _or_default(value: int | None) -> str:
    return "default" if value is None else str(value)


def _title(handler: HandlerManifest) -> str:
    """The name of the type, as its JSON Schema has it."""
    schema = handler.schema or {}
    name = schema.get("title") or str(schema.get("$ref", "")).rpartition("/")[2]
    return str(name or "JSON Schema")
