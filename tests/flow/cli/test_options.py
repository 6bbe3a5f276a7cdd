"""Every option of every command is obeyed. A new option needs a case here."""

from collections.abc import Iterator, Mapping

import click
import pytest

from taskrunner.cli.main import main
from taskrunner.domain.tasks.task_filter import CONDITIONS
from tests.flow.cli.audit_cases import AUDIT_CASES
from tests.flow.cli.command_cases import (
    attempt_format,
    body,
    config_json,
    data_folder,
    doctor_fix,
    doctor_json,
    elsewhere,
    host_limit,
    hosts_limit,
    in_order,
    pausing,
    produce_again,
    produce_dry_run,
    produce_file,
    produce_json,
    produce_once,
    produce_url,
    produce_wait,
    raw,
    refused,
    rules,
    schedule_option,
    schedule_url,
    watch,
)
from tests.flow.cli.executor_cases import EXECUTOR_CASES
from tests.flow.cli.fleet_cases import FLEET_CASES
from tests.flow.cli.harness import ALL, Case, Cli, lines
from tests.flow.cli.key_cases import KEY_CASES
from tests.flow.cli.operation_cases import OPERATION_CASES, UNKNOWN
from tests.flow.cli.task_cases import (
    CALLBACK,
    CALLBACK_OPTIONS,
    DEDUP_OPTIONS,
    TASK_OPTIONS,
    part_option,
    task_option,
)
from tests.flow.cli.webhook_cases import PUT, WEBHOOK_CASES

LETTERS = {"red", "pale", "message"}
# What each command on conditions can act on, and a status that it may be given with what that leaves.
SELECTING: Mapping[str, tuple[set[str], str, set[str]]] = {
    "tasks list": (ALL, "failed", {"red", "pale"}),
    "tasks export": (ALL, "failed", {"red", "pale"}),
    "tasks cancel": ({"new", "old"}, "queued", set()),
    "tasks requeue": ({"red", "pale"}, "failed", {"red", "pale"}),
    "tasks delete": (ALL, "failed", {"red", "pale"}),
    "dead-letters list": (LETTERS, "", set()),
    "dead-letters requeue": (LETTERS, "", set()),
    "dead-letters purge": (LETTERS, "", set()),
}
CHOSEN: Mapping[str, tuple[str, set[str]]] = {
    "--queue": ("high", {"red", "new"}),
    "--label": ("team=red", {"red", "new"}),
    "--label-text": ("RE", {"red", "new"}),
    "--host": ("a.test", {"red", "new"}),
    "--executor": ("other", set()),
    "--outcome": ("http_error", {"red"}),
    "--reason": ("timeout", {"pale"}),
    "--created-by": ("web", {"red", "new"}),
    "--created-after": ("1d12h", {"red", "new"}),
    "--created-before": ("36h", {"pale", "old"}),
    "--finished-after": ("1d", {"red"}),
    "--finished-before": ("1d", {"pale", "message"}),
}
SERVICES: Mapping[str, str] = {
    "serve --addr": "a b",
    "serve --port": "x",
    "consume --queues": "a b",
    "consume --min-workers": "x",
    "consume --max-workers": "x",
    "consume --addr": "a b",
    "consume --port": "x",
    "dev --port": "x",
    "dev --grpc-port": "x",
    **dict.fromkeys(["dev --handlers", "all --handlers", "consume --handlers"], "1bad"),
}


def walk(command: click.Command, words: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from walk(found, (*words, name))
    else:
        yield " ".join(words), command


def every_option() -> set[str]:
    return {
        f"{name} {option}"
        for name, command in walk(main)
        for param in command.params
        if isinstance(param, click.Option)
        for option in (*param.opts, *param.secondary_opts)
    }


def selected(cli: Cli, command: str, *words: str) -> int:
    """How many a command selects."""
    if command.endswith("list"):
        return len(lines(cli.ok(*command.split(), "--json", *words)))
    if command.endswith("export"):
        return len(lines(cli.ok(*command.split(), *words)))
    return int(cli.ok(*command.split(), "--dry-run", *words).split()[0])


def condition(command: str, option: str, value: str, chosen: set[str]) -> Case:
    def case(cli: Cli) -> None:
        assert selected(cli, command, option, value) == len(SELECTING[command][0] & chosen)

    return case


def named(command: str) -> tuple[str, ...]:
    """The arguments and options that a command needs."""
    needed = {
        "task show": "red",
        "task cancel": "new",
        "task explain": "new",
        "task watch": "red",
        "task delete": "new",
        "hosts show": "a.test",
    }
    needed |= {"hosts reset": "a.test", "hosts limit set": "a.test --concurrency 1", "resume": "--all"}
    needed |= {"hosts limit remove": "a.test", "dead-letters show": "red", "dead-letters delete": "red"}
    needed |= {"schedule create": "s --cron @daily --url http://a.test/", "produce": "--url http://a.test/"}
    needed |= {f"schedule {name}": "s" for name in ("update", "show", "delete", "pause", "resume", "run")}
    needed |= {"keys create": "web --scope read", "keys revoke": "first", "keys rotate": "first"}
    needed |= {f"operations {name}": UNKNOWN for name in ("show", "abort")}
    needed |= {f"executors {name}": "e" for name in ("show", "enable", "disable", "delete")}
    needed |= {"executors create": "e --kind python", "executors update": "e --timeout 5"}
    needed |= {"executors check": "tests.tools.hostile_handlers"}
    needed |= {"keys limit": "first --rate 5/s"}
    needed |= {f"queues {name}": "reports" for name in ("declare", "delete")}
    needed |= {"webhooks put": " ".join(PUT[2:]), "webhooks show": "ends", "webhooks delete": "ends"}
    needed |= {f"tasks {name}": "--all" for name in ("cancel", "requeue", "delete")}
    needed |= {f"dead-letters {name}": "--all" for name in ("requeue", "purge")}
    return tuple(needed.get(command, "").split())


def config_file(command: str) -> Case:
    def case(cli: Cli) -> None:
        result = cli.run(*command.split(), *named(command), "--config", "none.yaml")
        assert result.exit_code == 2
        assert "none.yaml: cannot be read" in result.stderr

    return case


def as_json(command: str) -> Case:
    def case(cli: Cli) -> None:
        if command.startswith("schedule") and command != "schedule create":
            cli.ok("schedule", "create", "s", "--cron", "@daily", "--url", "http://a.test/")
        if command.startswith(("keys", "audit")):
            cli.ok("keys", "create", "first", "--scope", "admin")
        if command in {"webhooks list", "webhooks show"}:
            cli.ok(*PUT)
        if command == "hosts list":
            cli.ok("hosts", "limit", "set", "a.test", "--concurrency", "1")
        assert lines(cli.ok(*command.split(), *named(command), "--json"))

    return case


def limited(command: str) -> Case:
    def case(cli: Cli) -> None:
        words = () if command.endswith("list") else ("--all",)
        assert selected(cli, command, *words) == len(SELECTING[command][0])
        assert selected(cli, command, *words, "--limit", "1") == 1

    return case


def dry(command: str) -> Case:
    def case(cli: Cli) -> None:
        before = cli.ok("tasks", "list", "--json"), cli.ok("dead-letters", "list", "--json")
        assert f"{len(SELECTING[command][0])} would be" in cli.ok(*command.split(), "--all", "--dry-run")
        assert before == (cli.ok("tasks", "list", "--json"), cli.ok("dead-letters", "list", "--json"))

    return case


def selecting_cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for command, (_, status, left) in SELECTING.items():
        for option, (value, chosen) in CHOSEN.items():
            found[f"{command} {option}"] = condition(command, option, value, chosen)
        if status:
            found[f"{command} --status"] = condition(command, "--status", status, left)
        if command.startswith("tasks ") and command.endswith(("list", "export")):
            found[f"{command} --sort"] = in_order(command)
        if command.endswith("export"):
            continue
        found[f"{command} --limit"] = limited(command)
        if not command.endswith("list"):
            found |= {f"{command} {option}": dry(command) for option in ("--dry-run", "--all")}
    return found


def task_cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for command in ("produce", "schedule create", "schedule update"):
        for option, (value, field, expected) in TASK_OPTIONS.items():
            found[f"{command} {option}"] = task_option(command, option, value, field, expected)
        for option, (value, field, expected) in (CALLBACK_OPTIONS | DEDUP_OPTIONS).items():
            found[f"{command} {option}"] = part_option(command, option, value, field, expected)
        words = f"{command} {' '.join(named(command))}"
        with_hook = f"{words} {' '.join(CALLBACK)}"
        found[f"{command} --tls"] = refused(words, "--tls", "nobody", "nobody")
        found[f"{command} --auth"] = refused(words, "--auth", "nobody", "nobody")
        found[f"{command} --callback-tls"] = refused(with_hook, "--callback-tls", "nobody", "nobody")
        found[f"{command} --callback-secret"] = refused(with_hook, "--callback-secret", "nobody", "nobody")
        found[f"{command} --data"] = body(command)
        found[f"{command} --rules"] = rules(command)
    for command in ("schedule create", "schedule update"):
        for option, value, field, expected in (
            ("--cron", "@hourly", "cron", "@hourly"),
            ("--time-zone", "Europe/Berlin", "time_zone", "Europe/Berlin"),
            ("--missed", "all", "missed", "all"),
            ("--overlap", "skip", "overlap", "skip"),
            ("--jitter", "1m30s", "jitter", 90.0),
            ("--conditional", "", "conditional", True),
            ("--unconditional", "", "conditional", False),
        ):
            found[f"{command} {option}"] = schedule_option(command, option, value, field, expected)
        found[f"{command} --url"] = schedule_url(command)
    return found


def cases() -> dict[str, Case]:
    found = {
        **selecting_cases(),
        **task_cases(),
        **KEY_CASES,
        **EXECUTOR_CASES,
        **WEBHOOK_CASES,
        **AUDIT_CASES,
        **OPERATION_CASES,
        **FLEET_CASES,
    }
    for name, value in SERVICES.items():
        command, _, option = name.rpartition(" ")
        found[name] = refused(command, option, value, option)
    for option in ("--run-at", "--expires-at"):
        found[f"produce {option}"] = task_option(
            "produce", option, "2031-01-01T00:00:00Z", option[2:].replace("-", "_"), "2031-01-01T00:00:00Z"
        )
    one = "produce --url http://a.test/"
    found |= {
        "produce --url": produce_url,
        "produce --file": produce_file,
        "produce --again": produce_again,
        "produce --dry-run": produce_dry_run,
        "produce --idempotency-key": produce_once,
        "produce --wait": produce_wait,
        "produce --wait-timeout": produce_wait,
        "produce --json": produce_json,
        "produce --api": elsewhere,
        "produce --delay": refused(one, "--delay", "52000w", "delay: must be at most"),
        "produce --write-concern": refused(one, "--write-concern", "most", "write_concern"),
        "dead-letters show --raw": raw,
        "task show --attempt": attempt_format,
        "task show --format": attempt_format,
        "task watch --json": watch,
        "hosts limit set --concurrency": host_limit("--concurrency", "--concurrency", "3"),
        "hosts limit set --rate": host_limit("--burst", "--rate", "3/s", "--burst", "3"),
        "hosts limit set --burst": host_limit("--burst", "--rate", "9/s", "--burst", "3"),
        "hosts list --limit": hosts_limit,
        "doctor --json": doctor_json,
        "doctor --fix": doctor_fix,
        "config show --json": config_json,
        "dev --data": data_folder,
    }
    for command in ("pause", "resume"):
        found[f"{command} --queue"] = pausing(command, "--queue high", "queue:high")
        found[f"{command} --label"] = pausing(command, "--label team", "label:team")
        found[f"{command} --all"] = pausing(command, "--all", "all")
    for name in every_option() - found.keys():
        command, _, option = name.rpartition(" ")
        if option == "--config":
            found[name] = config_file(command)
        elif option == "--json":
            found[name] = as_json(command)
    return found


CASES = cases()


def test_every_option_has_a_case() -> None:
    assert CASES.keys() == every_option()


@pytest.mark.parametrize("name", sorted(CASES))
def test_an_option_is_obeyed(cli: Cli, name: str) -> None:
    """What the option says is what happens; or a command that cannot do it refuses it."""
    CASES[name](cli)


@pytest.mark.parametrize(("name", "command"), list(walk(main)), ids=lambda each: str(each))
def test_no_option_is_taken_twice(cli: Cli, name: str, command: click.Command) -> None:
    """Neither the first nor the last of them would be what was meant."""
    for param in command.params:
        if isinstance(param, click.Option) and not param.multiple and not param.is_flag:
            option = param.opts[-1]
            value = "1" if not isinstance(param.type, click.Choice) else str(param.type.choices[0])
            result = cli.run(*name.split(), option, value, option, value)
            assert result.exit_code == 2
            assert f"{option} is given more than once" in result.output


def test_conditions_are_complete() -> None:
    """The table above has each condition that the store's filter knows."""
    assert {f"--{name.replace('_', '-')}" for name in CONDITIONS} == {*CHOSEN, "--status"}
