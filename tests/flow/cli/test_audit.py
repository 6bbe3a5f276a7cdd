"""Commands that change something are recorded, and `audit` prints them."""

import json
import os
import pwd
import socket

import pytest

from tests.flow.cli.harness import Cli

WHO = f"{pwd.getpwuid(os.getuid()).pw_name}@{socket.gethostname()}"


@pytest.mark.parametrize(
    ("words", "action", "target", "count"),
    [
        ("task cancel new none", "tasks.cancel", "new none", 1),
        ("task delete new red", "tasks.delete", "new red", 2),
        ("tasks cancel --all --limit 1", "tasks.cancel", "all=true limit=1", 1),
        ("tasks requeue --status failed --limit 1", "tasks.requeue", "status=failed limit=1", 1),
        ("tasks delete --status failed --limit 1", "tasks.delete", "status=failed limit=1", 1),
        ("dead-letters requeue red pale", "dead-letters.requeue", "red pale", 2),
        ("dead-letters requeue --all --limit 1", "dead-letters.requeue", "all=true limit=1", 1),
        ("dead-letters delete red message", "dead-letters.delete", "red message", 2),
        ("dead-letters purge --all --limit 1", "dead-letters.delete", "all=true limit=1", 1),
        ("hosts reset a.test", "hosts.reset", "a.test", 1),
        ("hosts limit set a.test --rate 5/s", "hosts.limit.set", "a.test", 1),
        ("pause --queue low --label a=b", "pause", "queue:low label:a=b", 2),
        ("keys create ci --scope read", "keys.create", "ci", 1),
    ],
)
def test_a_change_is_recorded(cli: Cli, words: str, action: str, target: str, count: int) -> None:
    """By the user of the system, whatever $USER says."""
    cli.run(*words.split())
    result = cli.run("audit", "--json", "--action", action)
    [entry] = [json.loads(line) for line in result.stdout.splitlines()]
    assert (entry["action"], entry["target"], entry["count"]) == (action, target, count)
    assert (entry["source"], entry["key"], entry["origin"]) == ("cli", None, WHO)


@pytest.mark.parametrize(
    "words",
    [
        "task cancel none",
        "task cancel red",
        "task show red",
        "tasks cancel --all --dry-run",
        "dead-letters requeue red --dry-run",
        "dead-letters purge --all --dry-run",
        "resume --queue low",
        "pause",
        "hosts limit remove none.test",
        "hosts list",
        "keys revoke none",
        "keys list",
        "schedule delete none",
    ],
)
def test_what_changes_nothing_is_not_recorded(cli: Cli, words: str) -> None:
    """Refusals, dry runs and reads."""
    cli.run(*words.split())
    assert cli.run("audit", "--json").stdout == ""


def test_the_table_has_a_header(cli: Cli) -> None:
    cli.run("keys", "create", "ci", "--scope", "read")
    cli.run("keys", "revoke", "ci")
    header, *rows = cli.run("audit").stdout.splitlines()
    assert header.split() == ["TIME", "WHO", "FROM", "ACTION", "COUNT", "TARGET"]
    assert [row.split()[3] for row in rows] == ["keys.revoke", "keys.create"]


@pytest.mark.parametrize(("words", "code"), [("--since x", 2), ("--until 2030-01-01", 2), ("--since 7d", 0)])
def test_a_wrong_time_is_refused(cli: Cli, words: str, code: int) -> None:
    assert cli.run("audit", *words.split()).exit_code == code
