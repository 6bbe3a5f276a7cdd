"""Cases of options that only one or two commands have."""

import json
from typing import Any

from tests.flow.cli.harness import ALL, Case, Cli, lines, scheduled, submitted, task_of


def produce_file(cli: Cli) -> None:
    (cli.folder / "f").write_text("http://a.test/\nhttp://b.test/\n")
    assert len(cli.ok("produce", "--file", "f").split()) == 2
    assert len(cli.ok("produce", "--file", "f").split()) == 2
    assert len(lines(cli.ok("tasks", "list", "--json"))) == len(ALL) + 2


def produce_dry_run(cli: Cli) -> None:
    """Of one task and of many; nothing is submitted, and what is wrong is told with exit code 2."""
    found = lines(
        cli.ok("produce", "--url", "http://1.1.1.1/", "--max-attempts", "2", "--dry-run", "--json")
    )[0]
    assert (found["created"], found["target"]["state"], len(found["attempts"])) == (True, "allowed", 2)
    shown = cli.ok("produce", "--url", "http://1.1.1.1/", "--max-attempts", "2", "--dry-run")
    for told in ("nothing was submitted", "target 1.1.1.1:80 allowed", "attempts 2", "0.8 to 1 s after"):
        assert told in shown
    dedup = ("produce", "--url", "http://1.1.1.1/", "--dedup", "k")
    held = cli.ok(*dedup).strip()
    assert f"answered with task {held}, which holds the dedup key" in cli.ok(*dedup, "--dry-run")
    assert f"dedup key from task {held}" in cli.ok(*dedup, "--dedup-mode", "replace", "--dry-run")
    cli.ok("task", "delete", held)
    (cli.folder / "f").write_text("http://a.test/\nftp://b.test/\n")
    result = cli.run("produce", "--file", "f", "--dry-run")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "1 task would be accepted, 1 line would be refused; nothing was submitted" in result.stderr
    assert len(lines(cli.ok("tasks", "list", "--json"))) == len(ALL)
    cli.run("produce", "--file", "f")
    assert "1 line had been submitted before" in cli.run("produce", "--file", "f", "--dry-run").stderr


def produce_once(cli: Cli) -> None:
    """However the options are ordered; another task under the same key is refused."""
    words = ("produce", "--idempotency-key", "k 1", "--url", "http://a.test/", "--timeout")
    first = cli.ok(*words, "60s", "--label", "a=1", "--label", "b=2")
    again = cli.run(*words, "1m", "--label", "b=2", "--label", "a=1")
    assert (again.exit_code, again.stdout) == (0, first)
    assert "was there before; no new task was made" in again.stderr
    other = cli.run(*words, "61s")
    assert other.exit_code == 5
    assert "'k 1' was used for another request" in other.stderr
    assert len(lines(cli.ok("tasks", "list", "--json"))) == len(ALL) + 1


def produce_again(cli: Cli) -> None:
    produce_file(cli)
    assert len(cli.ok("produce", "--file", "f", "--again").split()) == 2
    assert len(lines(cli.ok("tasks", "list", "--json"))) == len(ALL) + 4


def produce_wait(cli: Cli) -> None:
    result = cli.run("produce", "--url", "http://a.test/", "--wait", "--wait-timeout", "100ms")
    assert result.exit_code == 7
    assert f"{result.stdout.strip()}: still " in result.stderr
    assert cli.run("produce", "--url", "http://a.test/", "--wait-timeout", "1s").exit_code == 2


def produce_url(cli: Cli) -> None:
    assert submitted(cli)["url"] == "http://a.test/"


def doctor_fix(cli: Cli) -> None:
    assert cli.ok("doctor", "--fix").startswith("no problems found")


def produce_json(cli: Cli) -> None:
    (task,) = lines(cli.ok("produce", "--url", "http://a.test/", "--json"))
    assert task["created"]


def raw(cli: Cli) -> None:
    assert cli.ok("dead-letters", "show", "message", "--raw") == '{"url": "ftp://b.test/"}'
    result = cli.run("dead-letters", "show", "red", "--raw")
    assert (result.exit_code, "has no message" in result.stderr) == (5, True)


def attempt_format(cli: Cli) -> None:
    assert (
        cli.ok("task", "show", "red", "--attempt", "1", "--format", "curl")
        .splitlines()[1]
        .startswith("curl ")
    )
    assert "log" in json.loads(cli.ok("task", "show", "red", "--attempt", "1", "--format", "har"))


def host_limit(option: str, *words: str) -> Case:
    def case(cli: Cli) -> None:
        name = option.removeprefix("--")
        (limit,) = lines(cli.ok("hosts", "limit", "set", "a.test", "--json", *words))
        assert limit[name] == 3

    return case


def hosts_limit(cli: Cli) -> None:
    for number in range(3):
        cli.ok("hosts", "limit", "set", f"{number}.test", "--concurrency", "1")
    assert cli.run("hosts", "list", "--limit", "0").exit_code == 2
    assert len(lines(cli.ok("hosts", "list", "--limit", "1", "--json"))) == 3


def pausing(command: str, words: str, scope: str) -> Case:
    def case(cli: Cli) -> None:
        paused = cli.ok("pause", *words.split())
        assert paused.startswith(f"{scope} paused since ")
        assert paused.endswith("; in force everywhere within a second\n")
        if command == "resume":
            assert cli.ok("resume", *words.split()) == f"{scope} resumed\n"
            assert cli.ok("pause") == ""

    return case


def schedule_option(command: str, option: str, value: str, field: str, expected: Any) -> Case:
    words = (option, value) if value else (option,)

    def case(cli: Cli) -> None:
        assert scheduled(cli, command, *words)[field] == expected

    return case


def schedule_url(command: str) -> Case:
    def case(cli: Cli) -> None:
        assert scheduled(cli, command, "--url", "http://c.test/")["task"]["url"] == "http://c.test/"

    return case


def body(command: str) -> Case:
    def case(cli: Cli) -> None:
        (cli.folder / "f").write_text("12345")
        shown = task_of(cli, command, "--data", "@f")
        assert shown["method"] == "POST"
        assert shown["body_size"] == 5 if command == "produce" else shown["has_body"]

    return case


def rules(command: str) -> Case:
    def case(cli: Cli) -> None:
        text = '[{"when": {"status": [404]}, "then": "fail"}]'
        assert task_of(cli, command, "--rules", text)["rules"]

    return case


def doctor_json(cli: Cli) -> None:
    assert cli.ok("doctor").startswith("no problems found")
    assert cli.ok("doctor", "--json") == ""


def config_json(cli: Cli) -> None:
    assert "Store" in json.loads(cli.ok("config", "show", "--json"))


def data_folder(cli: Cli) -> None:
    (cli.folder / "file").touch()
    result = cli.run("dev", "--data", str(cli.folder / "file" / "x"))
    assert (result.exit_code, "name another with --data" in result.stderr) == (3, True)


def elsewhere(cli: Cli) -> None:
    result = cli.run("produce", "--url", "http://a.test/", "--api", "http://127.0.0.1:1")
    assert (result.exit_code, "cannot reach the API" in result.stderr) == (3, True)


def in_order(command: str) -> Case:
    def case(cli: Cli) -> None:
        words = (*command.split(), *(["--json"] if command.endswith("list") else []))
        newest_first = [task["created_at"] for task in lines(cli.ok(*words))]
        assert [task["created_at"] for task in lines(cli.ok(*words, "--sort", "created_at"))] == sorted(
            newest_first
        )
        assert newest_first == sorted(newest_first, reverse=True)

    return case


def refused(words: str, option: str, value: str, message: str) -> Case:
    """A wrong value shows that the value is used, where using a right one needs more than a command."""

    def case(cli: Cli) -> None:
        cli.ok("schedule", "create", "s", "--cron", "@daily", "--url", "http://a.test/")
        given = words.replace("schedule create s", "schedule create other")
        result = cli.run(*given.split(), option, value)
        assert result.exit_code == 2
        assert message in result.output

    return case


def watch(cli: Cli) -> None:
    """A task that has ended is told at once, and how it ended by the exit code."""
    told = cli.run("task", "watch", "red", "--json")
    assert told.exit_code == 1
    (event,) = lines(told.stdout)
    assert (event["status"], event["task"]["id"]) == ("failed", "red")
    assert cli.run("task", "watch", "red").stdout.split() == ["failed"]
