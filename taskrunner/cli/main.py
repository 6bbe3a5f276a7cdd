"""The `taskrunner` command: the table of its subcommands, each imported only when it is called."""

from importlib import import_module
from typing import Any

import click

from taskrunner.cli.command_group import CommandGroup
from taskrunner.cli.errors import exit_codes
from taskrunner.cli.streams import flush_output, open_missing_streams
from taskrunner.runtime.garbage_collection import collect_less_often
from taskrunner.version import __version__

# By name: the module in `taskrunner.cli` that defines `<name>_command`, and the line in `--help`.
COMMANDS = {
    "dev": ("embedded", "Run everything in one process, without servers or setup."),
    "demo": ("embedded", "Watch tasks succeed, retry and fail (15 seconds)."),
    "serve": ("services", "Run the HTTP API, the relay and the scheduler."),
    "consume": ("services", "Run the workers that execute queued tasks."),
    "all": ("services", "Run the API, the relay and the workers in one process."),
    "produce": ("produce", "Submit one task, or many from a file."),
    "schedule": ("schedule", "Manage cron schedules."),
    "task": ("task", "Show, cancel or delete tasks by id."),
    "tasks": ("tasks", "List, cancel, requeue or delete tasks that match conditions."),
    "dead-letters": ("dead_letters", "List, show, requeue or delete dead letters."),
    "operations": ("operations", "Show or abort what runs on many tasks."),
    "executors": ("executors", "Manage executors, and check modules of Python handlers."),
    "queues": ("queues", "List, declare or delete queues."),
    "workers": ("fleet", "Show the consumers, and what they run."),
    "hosts": ("hosts", "Show the state of target hosts and limit them."),
    "webhooks": ("webhooks", "Manage webhooks, which receive the ends of tasks."),
    "keys": ("keys", "Create, list, revoke or rotate API keys."),
    "audit": ("audit", "Show who did what to how many."),
    "pause": ("pauses", "Pause a queue, a label or everything."),
    "resume": ("pauses", "Resume what was paused."),
    "doctor": ("doctor", "Find and repair inconsistencies in the store and the broker."),
    "healthcheck": ("healthcheck", "Ask a process of this machine whether it is healthy."),
    "config": ("config", "Check or show the configuration."),
    "db": ("database", "Create or upgrade the tables of a SQL store."),
}


class RootGroup(CommandGroup):
    """Lists subcommands from the table, so that `--help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f"taskrunner.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, f"{cmd_name.replace('-', '_')}_command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, summary) in COMMANDS.items()])

    def main(self, *args: Any, **extra: Any) -> Any:
        open_missing_streams()
        collect_less_often()  # a command imports a thousand modules, and 40 collections find nothing: 50 ms
        try:
            return super().main(*args, **extra)
        except SystemExit as exc:
            raise SystemExit(flush_output() or exc.code) from None

    def invoke(self, ctx: click.Context) -> object:
        with exit_codes():
            return super().invoke(ctx)


@click.group(
    cls=RootGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=(
        "Exit codes: 0 success, 1 failure, 2 usage or configuration, 3 a service is unreachable or unusable, "
        "4 not found, 5 the status does not allow it, 6 partly done."
    ),
)
@click.version_option(__version__, prog_name="taskrunner")
def main() -> None:
    """A durable task queue for outbound HTTP, on RabbitMQ and Redis, or embedded in one process."""
