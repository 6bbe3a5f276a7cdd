"""`taskrunner task watch`: print each status of a task as the task comes to it."""

import asyncio
from pathlib import Path

import click

from taskrunner.api.views.task import TaskView
from taskrunner.api.views.task_event import TaskEventView
from taskrunner.app.loop import run
from taskrunner.app.platform import Platform, operate
from taskrunner.cli.command_group import Command
from taskrunner.cli.options import config_option, json_option
from taskrunner.cli.submit_output import EXIT_FAILED
from taskrunner.config import load
from taskrunner.domain.codec import encode
from taskrunner.domain.errors import TaskUnknown
from taskrunner.domain.masking import Masking
from taskrunner.domain.tasks.change import ChangeId
from taskrunner.domain.tasks.status import Status
from taskrunner.producer.change_reader import TaskNews
from taskrunner.producer.task_feed import TaskFeed
from taskrunner.producer.task_follower import TaskFollower


@click.command("watch", cls=Command)
@config_option
@click.argument("task_id", metavar="ID")
@json_option
def watch_command(config_path: Path | None, task_id: str, as_json: bool) -> None:
    """Print the status of a task, and each that follows, until it ends.

    The exit code is 0 if it succeeded, else 1.
    """
    config = load(config_path)

    async def use(platform: Platform) -> int:
        if await platform.store.get(task_id) is None:
            raise TaskUnknown.of(task_id)
        printer = _Printer(task_id, Masking(config.fetch.mask_headers) if as_json else None)
        feed = TaskFeed(platform.store, platform.events, platform.clock)
        feed.watch(printer)
        await feed.start()
        try:
            status = await printer.ended
        finally:
            await feed.stop()
        return 0 if status is Status.SUCCEEDED else EXIT_FAILED

    raise SystemExit(run(operate(config, use)))


class _Printer(TaskFollower):
    """Prints lines of JSON, or of text without a `masking`."""

    def __init__(self, task_id: str, masking: Masking | None) -> None:
        super().__init__(task_id)
        self._masking = masking
        self.ended: asyncio.Future[Status | None] = asyncio.get_running_loop().create_future()

    def pass_on(self, news: TaskNews, *, is_last: bool) -> None:
        status, record = news.change.status, news.record
        if self._masking is None:
            click.echo("deleted" if status is None else status)
        else:
            task = None if record is None else TaskView.of(record, self._masking)
            click.echo(encode(TaskEventView(task_id=self.task_id, status=status, task=task)))
        if is_last and not self.ended.done():
            self.ended.set_result(status)

    def lose(self, place: ChangeId) -> None:
        click.echo("taskrunner: some changes were lost; this is the status now", err=True)
