"""The options that describe a task, and what each makes of it."""

from collections.abc import Mapping
from typing import Any

from tests.flow.cli.harness import Case, Cli, task_of

TASK_OPTIONS: Mapping[str, tuple[str, str, Any]] = {
    "--method": ("PUT", "method", "PUT"),
    "--header": ("Accept: text/html", "headers", {"Accept": "text/html"}),
    "--queue": ("low", "queue", "low"),
    "--priority": ("low", "priority", "low"),
    "--max-attempts": ("7", "max_attempts", 7),
    "--retry-on": ("404", "retry_on", [404]),
    "--fail-on": ("409", "fail_on", [409]),
    "--retry-unsafe": ("", "retry_unsafe", True),
    "--redirects": ("none", "redirects", "none"),
    "--rules-unreadable": ("fail", "rules_unreadable", "fail"),
    "--timeout": ("1m5s", "timeout", 65.0),
    "--label": ("a=b", "labels", {"a": "b"}),
    "--fairness-key": ("customer 7", "fairness_key", "customer 7"),
}
DEDUP = ("--dedup", "k")
DEDUP_OPTIONS: dict[str, tuple[str, str, Any]] = {
    "--dedup": ("other", "key", "other"),
    "--dedup-ttl": ("2m", "ttl", 120.0),
    "--dedup-mode": ("reject", "mode", "reject"),
}
CALLBACK = ("--callback", "https://hook.test/")
CALLBACK_OPTIONS: dict[str, tuple[str, str, Any]] = {
    "--callback": ("https://hook.test/", "url", "https://hook.test/"),
    "--callback-event": ("failed", "events", ["failed"]),
}


def task_option(command: str, option: str, value: str, field: str, expected: Any) -> Case:
    words = (option, value) if value else (option,)

    # A task has the queue that its draft, such as that of a schedule, picks by a priority.
    shown_as = "queue" if field == "priority" and command == "produce" else field

    def case(cli: Cli) -> None:
        assert task_of(cli, command, *words)[shown_as] == expected

    return case


def part_option(command: str, option: str, value: str, field: str, expected: Any) -> Case:
    """An option for a part of a field; the option that the field begins with is given with it."""
    group, base = ("dedup", DEDUP) if option in DEDUP_OPTIONS else ("callback", CALLBACK)
    words = (option, value) if option == base[0] else (*base, option, value)

    def case(cli: Cli) -> None:
        assert task_of(cli, command, *words)[group][field] == expected

    return case
