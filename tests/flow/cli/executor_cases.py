"""Cases of the options of `taskrunner executors`, and of tasks that name an executor."""

import json
from collections.abc import Mapping
from typing import Any

from tests.flow.cli.harness import Case, Cli, lines

URL = ("--url", "https://a.test/{id}")
FIELDS: Mapping[str, tuple[str, str, Any]] = {
    "--description": ("Orders", "description", "Orders"),
    "--schema": ('{"type":"object"}', "schema", {"type": "object"}),
    "--url": ("https://b.test/{id}", "url", "https://b.test/{id}"),
    "--method": ("put", "method", "PUT"),
    "--header": ("Accept: text/html", "headers", {"Accept": "text/html"}),
    "--max-attempts": ("7", "max_attempts", 7),
    "--timeout": ("1m5s", "timeout", 65.0),
    "--queue": ("low", "queue", "low"),
    "--write-concern": ("store", "write_concern", "store"),
    "--concurrency": ("3", "concurrency", 3),
    "--rate": ("90/m", "rate", 1.5),
    "--retention": ("1h", "retention", 3600.0),
    "--dead-letters": ("", "dead_letters", {"enabled": True}),
    "--no-dead-letters": ("", "dead_letters", {"enabled": False}),
}


def made(cli: Cli, command: str, *words: str) -> Any:
    """An executor that has these options: made with them, or changed by them."""
    kind = () if "--kind" in words else ("--kind", "http")
    if command == "executors create":
        url = () if "--url" in words else URL
        return json.loads(cli.ok("executors", "create", "e", *kind, *url, *words))
    cli.ok("executors", "create", "e", "--kind", "http", *URL)
    return json.loads(cli.ok("executors", "update", "e", *words))


def field(command: str, option: str, value: str, name: str, expected: Any) -> Case:
    def case(cli: Cli) -> None:
        assert made(cli, command, option, *((value,) if value else ()))[name] == expected

    return case


def retry(command: str) -> Case:
    def case(cli: Cli) -> None:
        (cli.folder / "retry.json").write_text('{"base": 5}')
        assert made(cli, command, "--retry", f"@{cli.folder}/retry.json")["retry"]["base"] == 5
        result = cli.run("executors", "update", "e", "--retry", "{")
        assert (result.exit_code, "--retry: is not JSON" in result.stderr) == (2, True)

    return case


def burst(command: str) -> Case:
    def case(cli: Cli) -> None:
        assert made(cli, command, "--rate", "1/s", "--burst", "9")["burst"] == 9

    return case


def tls(command: str) -> Case:
    def case(cli: Cli) -> None:
        cli.ok("executors", "create", "e", "--kind", "http", *URL)
        words = ("create", "f", "--kind", "http", *URL) if command == "executors create" else ("update", "e")
        result = cli.run("executors", *words, "--tls", "nobody")
        assert (result.exit_code, "nobody" in result.stderr) == (2, True)

    return case


def kind(cli: Cli) -> None:
    assert json.loads(cli.ok("executors", "create", "e", "--kind", "remote"))["kind"] == "remote"
    assert cli.run("executors", "create", "f", "--kind", "shell").exit_code == 2
    assert cli.run("executors", "create", "http", "--kind", "python").exit_code == 2


def as_json(cli: Cli) -> None:
    """What is listed is what is shown; and a disabled one says so."""
    cli.ok("executors", "create", "e", "--kind", "python")
    cli.ok("executors", "disable", "e")
    (listed,) = lines(cli.ok("executors", "list", "--json"))
    assert (listed["enabled"], listed) == (False, json.loads(cli.ok("executors", "show", "e")))
    assert "disabled" in cli.ok("executors", "list")
    assert cli.ok("executors") == cli.ok("executors", "list")
    assert lines(cli.ok("executors", "--json")) == [listed]
    result = cli.run("produce", "--executor", "e")
    assert (result.exit_code, "the executor e is disabled" in result.stderr) == (5, True)
    assert json.loads(cli.ok("executors", "enable", "e"))["enabled"]
    assert cli.run("executors", "update", "e").exit_code == 2
    assert cli.run("executors", "show", "f").exit_code == 4


def cancel(cli: Cli) -> None:
    cli.ok("executors", "create", "e", "--kind", "python")
    task_id = cli.ok("produce", "--executor", "e").strip()
    assert cli.run("executors", "delete", "e").exit_code == 5
    assert cli.ok("executors", "delete", "e", "--cancel") == "e deleted, 1 tasks cancelled\n"
    assert json.loads(cli.ok("task", "show", task_id))["status"] == "cancelled"
    assert cli.run("produce", "--executor", "e").exit_code == 2


def produce(cli: Cli) -> None:
    """The data is an option, a file, standard input, or in each line of a file."""
    cli.ok("executors", "create", "resize", "--kind", "python", "--schema", '{"type": "object"}')
    (cli.folder / "data.json").write_text('{"n": 2}')
    (cli.folder / "lines").write_text('{"data": {"n": 4}}\n{"data": 5}\nhttp://a.test/\n')
    task = ("produce", "--executor", "resize")
    ids = [
        cli.ok(*task, "--data", '{"n": 1}').strip(),
        cli.ok(*task, "--data", f"@{cli.folder}/data.json").strip(),
        cli.ok(*task, "--data", "-", given=b'{"n": 3}').strip(),
    ]
    result = cli.run(*task, "--file", f"{cli.folder}/lines")
    assert result.exit_code == 2, result.output
    assert ":2: data: " in result.stderr
    assert ":3: url: is not for a task of an executor, resize" in result.stderr
    shown = [json.loads(cli.ok("task", "show", each)) for each in (*ids, result.stdout.strip())]
    assert [each["data"] for each in shown] == [{"n": number} for number in (1, 2, 3, 4)]
    assert {each["executor"] for each in shown} == {"resize"}
    for words in (("--data", "{"), ("--data", "5"), ("--url", "http://a.test/")):
        assert cli.run(*task, *words).exit_code == 2
    assert "executor resize" in cli.ok(*task, "--data", "{}", "--dry-run")


def schedule(command: str) -> Case:
    def case(cli: Cli) -> None:
        cli.ok("executors", "create", "resize", "--kind", "python")
        task = ("--executor", "resize", "--data", "[1]")
        cli.ok("schedule", "create", "s", "--cron", "@daily", *task)
        if command == "schedule update":
            cli.ok("executors", "create", "other", "--kind", "python")
            cli.ok("schedule", "update", "s", "--executor", "other")
        (found,) = lines(cli.ok("schedule", "list", "--json"))
        name = "other" if command == "schedule update" else "resize"
        assert (found["task"]["executor"], found["task"]["data"]) == (name, [1])
        assert cli.run("schedule", "create", "t", "--cron", "@daily", "--executor", "none").exit_code == 2

    return case


EXECUTOR_CASES: Mapping[str, Case] = {
    **{
        f"{command} {option}": field(command, option, *rest)
        for command in ("executors create", "executors update")
        for option, rest in FIELDS.items()
    },
    **{
        f"{command} {option}": case(command)
        for command in ("executors create", "executors update")
        for option, case in (("--retry", retry), ("--burst", burst), ("--tls", tls))
    },
    "executors create --kind": kind,
    "executors list --json": as_json,
    "executors delete --cancel": cancel,
    "produce --executor": produce,
    "schedule create --executor": schedule("schedule create"),
    "schedule update --executor": schedule("schedule update"),
}
