"""The `taskrunner` command: the table of its subcommands, each imported only when it is called."""

from importlib import import_module

import click

from taskrunner.cli.errors import exit_codes
from taskrunner.cli.group import Group
from taskrunner.version import __version__

# A subcommand's module is `taskrunner.cli.<name>`, with _ for -; its click object there is `command`.
COMMANDS = {
    "dev": "Run everything here and now, without services.",
    "demo": "See tasks succeed, retry and fail, in a quarter of a minute.",
    "serve": "Run the HTTP API, the relay and the scheduler.",
    "consume": "Run the workers that fetch what is queued.",
    "all": "Run API, relay and workers in one process.",
    "produce": "Submit one URL, or many from a file.",
    "schedule": "Create, list, change, pause cron schedules.",
    "task": "Show, cancel or delete tasks by id.",
    "tasks": "List, cancel, retry or delete tasks by conditions.",
    "dead-letters": "List, show, requeue, delete what failed for good.",
    "hosts": "See and limit what hosts get.",
    "pause": "Start nothing new of a queue, a label or at all.",
    "resume": "Start again what was paused.",
    "doctor": "Look for what is wrong in store and broker, and repair it.",
    "config": "Check or show the configuration.",
    "db": "Bring the tables of a SQL store up to date.",
}


class Root(Group):
    """Lists subcommands from the table, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"taskrunner.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        with exit_codes():
            return super().invoke(ctx)


@click.group(
    cls=Root,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 success, 1 failure, 2 usage or configuration, 3 a service is unreachable or unfit.",
)
@click.version_option(__version__, prog_name="taskrunner")
def main() -> None:
    """A durable queue for outbound HTTP, on RabbitMQ and Redis, or with neither."""
