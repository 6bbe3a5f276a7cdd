"""`taskrunner executors`: list, show, create, change, switch and delete executors."""

import json
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import click

from taskrunner.api.views.executor import ExecutorView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.command_group import ListingGroup
from taskrunner.cli.handler_check import check_command
from taskrunner.cli.options import DURATION, config_option, json_option
from taskrunner.cli.table import each_of, print_list
from taskrunner.cli.task_options import json_text, pairs
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import ExecutorInvalid, FieldError
from taskrunner.domain.executors.executor import Executor, ExecutorKind
from taskrunner.domain.executors.executor_draft import ExecutorDraft, check_executor_name
from taskrunner.domain.json_text import join
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.producer.audit_trail import Change

_HEADERS = ("NAME", "KIND", "STATE", "QUEUE", "VERSION", "MANAGED BY", "RUNS")
_JSON_FIELDS = ("schema", "retry")

_OPTIONS = (
    click.option("--description", metavar="TEXT", help="What it is for."),
    click.option("--schema", metavar="JSON", help="The JSON Schema of the data; @FILE reads it from a file."),
    click.option("--url", metavar="URL", help="Of the kind http; with {placeholders} from the data."),
    click.option("--method", help="Of the kind http: POST (default), GET, PUT, …"),
    click.option(
        "--header", "headers", multiple=True, metavar="'NAME: VALUE'", help="A request header; repeatable."
    ),
    click.option("--tls", metavar="NAME", help="The TLS profile to use (Fetch.tls)."),
    click.option("--retry", metavar="JSON", help='The retry policy, such as {"base": 5}; @FILE reads it.'),
    click.option("--max-attempts", type=int, help="Attempts in total."),
    click.option("--timeout", type=DURATION, help="The limit for one attempt: 30s, 2m."),
    click.option("--queue", metavar="NAME", help="The queue of its tasks."),
    click.option("--write-concern", help="What a submit waits for: store, broker or replicated."),
    click.option("--concurrency", type=int, metavar="N", help="Attempts at a time."),
    click.option("--rate", metavar="RATE", help="Starts per second, minute or hour: 10/s, 90/m, 5/h."),
    click.option("--burst", type=int, metavar="N", help="Starts at once after a rest."),
    click.option("--retention", type=DURATION, help="How long a finished task is kept: 1h, 7d."),
    click.option(
        "--dead-letters/--no-dead-letters", default=None, help="Whether a failed task is a dead letter."
    ),
)


def _fields_options(function: Any) -> Any:
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.group(cls=ListingGroup, name="executors")
def executors_command() -> None:
    """Manage executors, which tasks name. Without a command, list them.

    A change takes effect everywhere within a second.
    """


executors_command.add_command(check_command)


@executors_command.command(name="list")
@config_option
@json_option
def list_executors(config_path: Path | None, as_json: bool) -> None:
    """Print all executors, by name."""

    async def use(platform: Platform) -> int:
        known = each_of(await platform.executor_admin.list())
        return await print_list(known, _HEADERS, _row, _view_in(platform), as_json=as_json)

    raise SystemExit(run(operate(load(config_path), use)))


@executors_command.command()
@config_option
@click.argument("name")
def show(config_path: Path | None, name: str) -> None:
    """Print an executor as JSON."""

    async def use(platform: Platform) -> int:
        click.echo(_line(await platform.executor_admin.get(name), platform))
        return 0

    raise SystemExit(run(operate(load(config_path), use)))


@executors_command.command()
@config_option
@click.argument("name")
@click.option("--kind", required=True, help=f"Who runs its tasks: {', '.join(ExecutorKind)}.")
@_fields_options
def create(config_path: Path | None, name: str, kind: str, **given: Any) -> None:
    """Make an executor, and print it as JSON."""

    async def use(platform: Platform) -> Executor:
        text = join({"kind": json.dumps(kind), **_members(given)})
        draft = ExecutorDraft.from_json(text, platform.executor_admin.limits)
        return await platform.executor_admin.create(_checked(name), draft)

    _change(config_path, use, "executors.create", name)


@executors_command.command()
@config_option
@click.argument("name")
@_fields_options
def update(config_path: Path | None, name: str, **given: Any) -> None:
    """Change what the options give, keep the rest, and print the executor as JSON."""
    members = _members(given)
    if not members:
        raise click.UsageError("give at least one option to change")
    _patch(config_path, name, join(members))


@executors_command.command()
@config_option
@click.argument("name")
def enable(config_path: Path | None, name: str) -> None:
    """Take new tasks again, and start those that wait."""
    _patch(config_path, name, '{"enabled":true}')


@executors_command.command()
@config_option
@click.argument("name")
def disable(config_path: Path | None, name: str) -> None:
    """Refuse new tasks, and let those that wait wait; running attempts go on to their end."""
    _patch(config_path, name, '{"enabled":false}')


@executors_command.command()
@config_option
@click.argument("name")
@click.option("--cancel", is_flag=True, help="Cancel the tasks that have not ended, too.")
def delete(config_path: Path | None, name: str, cancel: bool) -> None:
    """Remove an executor that has no tasks which have not ended."""

    async def use(platform: Platform, changed: Change) -> int:
        cancelled = await platform.executor_admin.delete(name, cancel=cancel)
        changed.add(1)
        click.echo(f"{name} deleted{f', {cancelled} tasks cancelled' if cancel else ''}")
        return 0

    raise SystemExit(run(change(load(config_path), use, "executors.delete", name)))


def _patch(config_path: Path | None, name: str, patch: str) -> None:
    async def use(platform: Platform) -> Executor:
        return await platform.executor_admin.patch(name, patch.encode())

    _change(config_path, use, "executors.change", name)


def _change(
    config_path: Path | None, use: Callable[[Platform], Awaitable[Executor]], action: str, name: str
) -> None:
    async def recorded(platform: Platform, changed: Change) -> int:
        executor = await use(platform)
        changed.add(1)
        click.echo(_line(executor, platform))
        return 0

    raise SystemExit(run(change(load(config_path), recorded, action, name)))


def _checked(name: str) -> str:
    try:
        return check_executor_name(name)
    except ValueError as exc:
        raise ExecutorInvalid([FieldError(field="name", message=str(exc))]) from exc


def _members(given: dict[str, Any]) -> dict[str, str]:
    """The fields of `POST /executors` that the options give, each as JSON."""
    dead_letters = given.pop("dead_letters")
    members = {
        name: json_text(value, f"--{name}") if name in _JSON_FIELDS else json.dumps(value)
        for name, value in given.items()
        if value not in (None, ()) and name != "headers"
    }
    if given["headers"]:
        members["headers"] = json.dumps(pairs(given["headers"], ":", "--header"))
    if dead_letters is not None:
        members["dead_letters"] = json.dumps({"enabled": dead_letters})
    return members


def _line(executor: Executor, platform: Platform) -> str:
    return encode(_view_in(platform)(executor)).decode()


def _view_in(platform: Platform) -> Callable[[Executor], ExecutorView]:
    masking = Masking(platform.config.fetch.mask_headers)
    return lambda executor: ExecutorView.of(executor, masking)


def _row(executor: Executor) -> Sequence[str]:
    return (
        executor.name,
        executor.kind.value,
        "enabled" if executor.enabled else "disabled",
        executor.queue or "-",
        str(executor.version),
        executor.managed_by.value,
        "-" if executor.url is None else f"{executor.method} {masked_url(executor.url)}",
    )
