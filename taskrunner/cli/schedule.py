"""`taskrunner schedule`: cron schedules, straight in the store."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
from msgspec import to_builtins

from taskrunner.api.views.schedule import ScheduleView
from taskrunner.app.loop import run as run_loop
from taskrunner.app.platform import Platform, manage
from taskrunner.cli.options import config_option
from taskrunner.cli.task_options import task_fields, task_options
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.masking import Masking
from taskrunner.domain.schedule import Schedule
from taskrunner.domain.schedule_draft import ScheduleDraft
from taskrunner.domain.task_limits import Limits
from taskrunner.producer.schedules import Schedules

_PAGE = 200
_TIMES = ("cron", "time_zone", "missed", "overlap", "jitter", "conditional")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")


@click.group(name="schedule")
def command() -> None:
    """Run tasks by the clock.

    `serve` and `all` make the tasks; of any number of them only one does so for each slot.
    """


def schedule_options(function: Any) -> Any:
    """What a schedule has beside its task."""
    for option in (
        click.option(
            "--jitter", type=float, metavar="SECONDS", help="Start up to this much later, by chance."
        ),
        click.option(
            "--conditional/--unconditional",
            default=None,
            help="Ask only for what is newer than what the run before got (If-None-Match).",
        ),
        click.option("--overlap", help="allow (default), or skip a slot while the run before has not ended."),
        click.option("--missed", help="Slots missed by an outage: once (default, the last), skip or all."),
        click.option(
            "--time-zone", metavar="NAME", help="An IANA name such as Europe/Berlin [default: UTC]."
        ),
    ):
        function = option(function)
    return function


@command.command()
@config_option
@click.argument("name")
@click.option(
    "--cron", required=True, metavar="EXPRESSION", help="Five fields, or @hourly, @daily and so on."
)
@click.option("--url", required=True, help="The URL to fetch.")
@schedule_options
@task_options
@json_option
def create(config_path: Path | None, name: str, as_json: bool, **given: Any) -> None:
    """Make a schedule, for example: create report --cron "30 6 * * MON-FRI" --url https://…"""
    fields = _fields(given)

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        draft = ScheduleDraft.from_fields({"name": name, **fields}, limits)
        _print(await schedules.create(name, draft), masking, as_json=as_json)

    _use(config_path, use)


@command.command()
@config_option
@click.argument("name")
@click.option("--cron", metavar="EXPRESSION", help="Five fields, or @hourly, @daily and so on.")
@click.option("--url", help="The URL to fetch.")
@schedule_options
@task_options
@json_option
def update(config_path: Path | None, name: str, as_json: bool, **given: Any) -> None:
    """Change what is given, and nothing else."""
    fields = _fields(given)

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        known = await schedules.get(name)
        merged = {each: getattr(known, each) for each in _TIMES}
        merged |= {**fields, "task": {**known.task, **fields["task"]}}
        if "body" in fields["task"]:
            merged["task"].pop("body_base64", None)
        schedule, _ = await schedules.put(name, ScheduleDraft.from_fields(merged, limits))
        _print(schedule, masking, as_json=as_json)

    _use(config_path, use)


@command.command("list")
@config_option
@json_option
def list_all(config_path: Path | None, as_json: bool) -> None:
    """Print every schedule, one a line."""

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        cursor: str | None = None
        while True:
            page = await schedules.list(limit=_PAGE, cursor=cursor)
            for schedule in page.items:
                _print(schedule, masking, as_json=as_json)
            cursor = page.cursor
            if cursor is None:
                return

    _use(config_path, use)


@command.command()
@config_option
@click.argument("name")
@json_option
def show(config_path: Path | None, name: str, as_json: bool) -> None:
    """Print a schedule with all that is known of it."""

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        schedule = await schedules.get(name)
        if as_json:
            _print(schedule, masking, as_json=True)
            return
        for field, value in to_builtins(ScheduleView.of(schedule, masking)).items():
            text = value if isinstance(value, str) else encode(value).decode().strip('"')
            click.echo(f"{field + ':':<15} {text}")

    _use(config_path, use)


@command.command()
@config_option
@click.argument("name")
def delete(config_path: Path | None, name: str) -> None:
    """Remove a schedule; the tasks that it made go on."""

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        await schedules.delete(name)

    _use(config_path, use)


@command.command()
@config_option
@click.argument("name")
@json_option
def pause(config_path: Path | None, name: str, as_json: bool) -> None:
    """Let no slot run until it is resumed."""

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        _print(await schedules.pause(name), masking, as_json=as_json)

    _use(config_path, use)


@command.command()
@config_option
@click.argument("name")
@json_option
def resume(config_path: Path | None, name: str, as_json: bool) -> None:
    """Go on with the next slot; those that passed meanwhile are not made up for."""

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        _print(await schedules.resume(name), masking, as_json=as_json)

    _use(config_path, use)


@command.command("run")
@config_option
@click.argument("name")
def run_now(config_path: Path | None, name: str) -> None:
    """Submit its task now, beside its slots; prints the task's id."""

    async def use(schedules: Schedules, limits: Limits, masking: Masking) -> None:
        click.echo((await schedules.run(name)).id)

    _use(config_path, use)


def _use(config_path: Path | None, use: Callable[[Schedules, Limits, Masking], Awaitable[None]]) -> None:
    async def on_platform(platform: Platform) -> int:
        schedules = Schedules(platform.store, platform.intake, platform.clock)
        masking = Masking(platform.config.fetch.mask_headers)
        await use(schedules, platform.intake.rules.limits, masking)
        return 0

    raise SystemExit(run_loop(manage(load(config_path), on_platform)))


def _fields(given: dict[str, Any]) -> dict[str, Any]:
    own = {name: given[name] for name in _TIMES if given[name] is not None}
    task = {name: value for name, value in given.items() if name not in _TIMES}
    return {**own, "task": task_fields(task)}


def _print(schedule: Schedule, masking: Masking, *, as_json: bool) -> None:
    if as_json:
        click.echo(encode(ScheduleView.of(schedule, masking)).decode())
        return
    when = "paused" if schedule.next_at is None else f"next {schedule.next_at:%Y-%m-%dT%H:%M:%SZ}"
    words = [schedule.name, schedule.cron, schedule.time_zone, when, schedule.task["url"]]
    click.echo("  ".join([*words, *([f"({schedule.error})"] if schedule.error else [])]))
