"""Commands on several ids: each id is told, and the exit code says how they ended."""

import pytest

from tests.flow.cli.harness import Cli

UNKNOWN = "no task has the id"
LETTER_UNKNOWN = "no dead letter has the id"


@pytest.mark.parametrize(
    ("words", "code", "out", "err"),
    [
        ("task cancel new old", 0, ["new cancelled", "old cancelled"], []),
        ("task cancel new new", 0, ["new cancelled"], []),
        ("task cancel none", 4, [], [f"{UNKNOWN} 'none'"]),
        ("task cancel none nil", 4, [], [f"{UNKNOWN} 'none'", f"{UNKNOWN} 'nil'"]),
        ("task cancel red", 5, [], ["task red has failed"]),
        ("task cancel red pale", 5, [], ["task red has failed", "task pale has failed"]),
        ("task cancel none red", 6, [], [f"{UNKNOWN} 'none'", "task red has failed"]),
        ("task cancel none new red old", 6, ["new cancelled", "old cancelled"], ["'none'", "red has failed"]),
        ("task delete new red", 0, ["new deleted", "red deleted"], []),
        ("task delete none", 4, [], [f"{UNKNOWN} 'none'"]),
        ("task delete none old", 6, ["old deleted"], [f"{UNKNOWN} 'none'"]),
        ("dead-letters requeue red pale", 0, ["red requeued as red", "pale requeued as pale"], []),
        ("dead-letters requeue new", 4, [], [f"{LETTER_UNKNOWN} 'new'"]),
        ("dead-letters requeue message", 5, [], ["the message is still unreadable"]),
        ("dead-letters requeue none red", 6, ["red requeued as red"], [f"{LETTER_UNKNOWN} 'none'"]),
        ("dead-letters requeue red none --dry-run", 6, ["red would be requeued"], [LETTER_UNKNOWN]),
        ("dead-letters delete red message", 0, ["red deleted", "message deleted"], []),
        ("dead-letters delete none", 4, [], [f"{LETTER_UNKNOWN} 'none'"]),
        ("dead-letters delete none red", 6, ["red deleted"], [f"{LETTER_UNKNOWN} 'none'"]),
        ("task show none", 4, [], [f"{UNKNOWN} 'none'"]),
        ("dead-letters show none", 4, [], [f"{LETTER_UNKNOWN} 'none'"]),
        ("schedule show none", 4, [], ["no schedule has the name 'none'"]),
        ("schedule delete none", 4, [], ["no schedule has the name 'none'"]),
        ("hosts limit remove none.test", 4, [], ["none.test"]),
        ("task cancel", 2, [], ["Missing argument"]),
        ("task delete", 2, [], ["Missing argument"]),
    ],
)
def test_each_id_is_told(cli: Cli, words: str, code: int, out: list[str], err: list[str]) -> None:
    result = cli.run(*words.split())
    assert (result.exit_code, result.stdout.splitlines()) == (code, out)
    for text in err:
        assert text in result.stderr
    if code > 2:
        assert len(result.stderr.splitlines()) == len(err)


def test_a_dry_run_changes_nothing(cli: Cli) -> None:
    """The same dead letters are there, with the same attempts."""
    before = cli.ok("dead-letters", "list", "--json"), cli.ok("tasks", "list", "--json")
    cli.ok("dead-letters", "requeue", "red", "pale", "message", "--dry-run")
    assert before == (cli.ok("dead-letters", "list", "--json"), cli.ok("tasks", "list", "--json"))


def test_a_schedule_that_exists_is_a_conflict(cli: Cli) -> None:
    words = ("schedule", "create", "s", "--cron", "@daily", "--url", "http://a.test/")
    cli.ok(*words)
    assert cli.run(*words).exit_code == 5


def test_an_update_keeps_the_method(cli: Cli) -> None:
    """`--data` alone makes a new task a POST; a schedule that has a method keeps it."""
    cli.ok("schedule", "create", "s", "--cron", "@daily", "--url", "http://a.test/", "--method", "PUT")
    assert '"method":"PUT"' in cli.ok("schedule", "update", "s", "--data", "x", "--json")


def test_operations_have_their_own_code_for_parts(cli: Cli) -> None:
    """The message of the dead letters cannot be requeued, the tasks can."""
    result = cli.run("dead-letters", "requeue", "--all")
    assert (result.exit_code, result.stdout) == (6, "2 of 3 requeued\n")


def test_a_list_says_when_it_is_cut(cli: Cli) -> None:
    """On stderr, so that a script's input stays a list."""
    result = cli.run("tasks", "list", "--limit", "3")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["ID", "STATUS", "AGE", "QUEUE", "REQUEST"]
    assert len(rows) == 3
    assert result.stderr == "taskrunner: only the first 3; --limit N prints more\n"
    assert cli.run("tasks", "list", "--limit", "4").stderr == ""
    assert cli.run("dead-letters", "list", "--limit", "1").stderr.startswith("taskrunner: only the first 1;")
