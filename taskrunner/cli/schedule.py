"""`taskrunner schedule`: manage cron schedules, directly in the store."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

from taskrunner.api.views.schedule import ScheduleView
from taskrunner.app.loop import run as run_loop
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.audited import change
from taskrunner.cli.bulk_actions import iterate_pages
from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.options import DURATION, config_option, json_option
from taskrunner.cli.streams import LineOutput
from taskrunner.cli.task_options import task_fields, task_options
from taskrunner.config import load
from taskrunner.domain.codec import encode, to_plain
from taskrunner.domain.json_text import join, members
from taskrunner.domain.masking import Masking, masked_url
from taskrunner.domain.schedules.schedule import Schedule
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.producer.audit_trail import Change
from taskrunner.producer.schedule_admin import ScheduleAdmin

_PAGE = 200
_SCHEDULE_FIELDS = ("cron", "time_zone", "missed", "overlap", "jitter", "conditional")


@click.group(cls=CommandGroup, name="schedule")
def schedule_command() -> None:
    """Manage cron schedules.

    `serve` and `all` create the tasks. However many of them run, each slot of a schedule runs once.
    """


def schedule_options(function: Any) -> Any:
    """The options of a schedule, besides those of its task."""
    for option in (
        click.option("--jitter", type=DURATION, help="Start a random time later, up to this: 30s, 5m."),
        click.option(
            "--conditional/--unconditional",
            default=None,
            help="Fetch only what changed since the last success (If-None-Match).",
        ),
        click.option(
            "--overlap", help="allow (default), or skip a slot while the previous run has not finished."
        ),
        click.option(
            "--missed",
            help="What to run of slots missed in an outage: once (default, the last), skip or all.",
        ),
        click.option(
            "--time-zone", metavar="NAME", help="IANA time zone, such as Europe/Berlin [default: UTC]."
        ),
    ):
        function = option(function)
    return function


@schedule_command.command()
@config_option
@click.argument("name")
@click.option("--cron", required=True, metavar="EXPRESSION", help="Five cron fields, or @hourly, @daily, ...")
@click.option("--url", help="The URL to fetch.")
@schedule_options
@task_options
@json_option
def create(config_path: Path | None, name: str, as_json: bool, **given: Any) -> None:
    """Create a schedule.

    Example: create report --cron "30 6 * * MON-FRI" --url https://example.com/report
    """
    fields = _fields(given)

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        draft = ScheduleDraft.from_fields({"name": name, **fields}, limits)
        _print(await schedules.create(name, draft), masking, as_json=as_json)

    _use(config_path, use, "schedules.create", name)


@schedule_command.command()
@config_option
@click.argument("name")
@click.option("--cron", metavar="EXPRESSION", help="Five cron fields, or @hourly, @daily, ...")
@click.option("--url", help="The URL to fetch.")
@schedule_options
@task_options
@json_option
def update(config_path: Path | None, name: str, as_json: bool, **given: Any) -> None:
    """Change the given settings and keep the others."""
    fields = _fields(given)

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        known = await schedules.get(name)
        task = members(known.task, opaque="body")
        if given["method"] is None and "method" in task:
            fields["task"].pop("method", None)  # that of --data is for a task without a method
        task |= {each: json.dumps(value) for each, value in fields["task"].items()}
        if "body" in fields["task"]:
            task.pop("body_base64", None)
        merged = {each: json.dumps(getattr(known, each)) for each in _SCHEDULE_FIELDS}
        merged |= {each: json.dumps(value) for each, value in fields.items()} | {"task": join(task)}
        schedule, _ = await schedules.put(name, ScheduleDraft.from_json(join(merged), limits))
        _print(schedule, masking, as_json=as_json)

    _use(config_path, use, "schedules.change", name)


@schedule_command.command("list")
@config_option
@json_option
def list_all(config_path: Path | None, as_json: bool) -> None:
    """Print every schedule, one per line."""

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        pages = iterate_pages(
            lambda size, cursor: schedules.list(limit=min(size, _PAGE), cursor=cursor), None
        )
        with LineOutput() as output:
            async for schedule in pages:
                output.write(_line(schedule, masking, as_json=as_json))

    _use(config_path, use)


@schedule_command.command()
@config_option
@click.argument("name")
@json_option
def show(config_path: Path | None, name: str, as_json: bool) -> None:
    """Print a schedule in full."""

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        schedule = await schedules.get(name)
        if as_json:
            _print(schedule, masking, as_json=True)
            return
        for field, value in to_plain(ScheduleView.of(schedule, masking)).items():
            text = value if isinstance(value, str) else encode(value).decode().strip('"')
            click.echo(f"{field + ':':<15} {text}")

    _use(config_path, use)


@schedule_command.command()
@config_option
@click.argument("name")
def delete(config_path: Path | None, name: str) -> None:
    """Delete a schedule. Tasks that it created continue."""

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        await schedules.delete(name)

    _use(config_path, use, "schedules.delete", name)


@schedule_command.command()
@config_option
@click.argument("name")
@json_option
def pause(config_path: Path | None, name: str, as_json: bool) -> None:
    """Pause a schedule: no slot runs until it is resumed."""

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        _print(await schedules.pause(name), masking, as_json=as_json)

    _use(config_path, use, "schedules.pause", name)


@schedule_command.command()
@config_option
@click.argument("name")
@json_option
def resume(config_path: Path | None, name: str, as_json: bool) -> None:
    """Resume a schedule with its next slot. Slots that passed in the pause do not run."""

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        _print(await schedules.resume(name), masking, as_json=as_json)

    _use(config_path, use, "schedules.resume", name)


@schedule_command.command("run")
@config_option
@click.argument("name")
def run_now(config_path: Path | None, name: str) -> None:
    """Run the task of a schedule now. Prints the id of the task; the slots do not change."""

    async def use(schedules: ScheduleAdmin, limits: TaskLimits, masking: Masking) -> None:
        click.echo((await schedules.run(name)).id)

    _use(config_path, use)


def _use(
    config_path: Path | None,
    use: Callable[[ScheduleAdmin, TaskLimits, Masking], Awaitable[None]],
    action: str | None = None,
    target: str = "",
) -> None:
    """`action` is for the audit, None for a command that reads or submits."""

    async def on_platform(platform: Platform, _: Change | None = None) -> int:
        schedules = ScheduleAdmin(platform.store, platform.intake, platform.clock)
        masking = Masking(platform.config.fetch.mask_headers)
        await use(schedules, platform.intake.task_settings.limits, masking)
        return 0

    config = load(config_path)
    if action is None:
        raise SystemExit(run_loop(operate(config, on_platform)))
    raise SystemExit(run_loop(change(config, on_platform, action, target)))


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    fields = {name: given[name] for name in _SCHEDULE_FIELDS if given[name] is not None}
    task = {name: value for name, value in given.items() if name not in _SCHEDULE_FIELDS}
    return {**fields, "task": task_fields(task)}


def _print(schedule: Schedule, masking: Masking, *, as_json: bool) -> None:
    click.echo(_line(schedule, masking, as_json=as_json))


def _line(schedule: Schedule, masking: Masking, *, as_json: bool) -> str:
    if as_json:
        return encode(ScheduleView.of(schedule, masking)).decode()
    when = "paused" if schedule.next_at is None else f"next {schedule.next_at:%Y-%m-%dT%H:%M:%SZ}"
    task = members(schedule.task, opaque="body")
    url = masked_url(json.loads(task.get("url") or task["executor"]))
    words = [schedule.name, schedule.cron, schedule.time_zone, when, url]
    return "  ".join([*words, *([f"({schedule.error})"] if schedule.error else [])])
