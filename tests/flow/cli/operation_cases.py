"""What the options of the commands on many tasks do, and those of `operations`."""

from collections.abc import Callable
from datetime import datetime

from tests.flow.cli.harness import Cli, lines

COMMANDS = ("tasks cancel", "tasks requeue", "tasks delete", "dead-letters requeue", "dead-letters purge")
UNKNOWN = "0199aaaa-0000-7000-8000-000000000000"


def rate(command: str) -> Callable[[Cli], None]:
    """The second item comes more than a second after the first."""

    def case(cli: Cli) -> None:
        cli.run(*command.split(), "--all", "--limit", "2", "--rate", "0.9")
        (operation,) = lines(cli.ok("operations", "list", "--json"))
        started, ended = (datetime.fromisoformat(operation[name]) for name in ("started_at", "ended_at"))
        assert (operation["done"], operation["rate"]) == (2, 0.9)
        assert (ended - started).total_seconds() > 1

    return case


def detach(command: str) -> Callable[[Cli], None]:
    """The id is printed, and nothing is done here."""

    def case(cli: Cli) -> None:
        before = cli.ok("tasks", "list", "--json"), cli.ok("dead-letters", "list", "--json")
        operation_id = cli.ok(*command.split(), "--all", "--detach").strip()
        assert before == (cli.ok("tasks", "list", "--json"), cli.ok("dead-letters", "list", "--json"))
        (operation,) = lines(cli.ok("operations", "show", operation_id).replace("\n", "") + "\n")
        assert (operation["id"], operation["status"], operation["done"]) == (operation_id, "waiting", 0)
        assert cli.ok("operations", "abort", operation_id) == f"{operation_id} aborting\n"
        (entry,) = lines(cli.ok("audit", "--json", "--action", "operations.abort"))
        assert entry["target"] == operation_id

    return case


def stop_at(cli: Cli) -> None:
    words = ("dead-letters", "requeue", "--host", "a.test", "--rate", "100", "--stop-at")
    result = cli.run(*words, "50%")
    assert (result.exit_code, "have ended" in result.stderr) == (0, True)
    for text in ("half", "-1", "101%", "1.5", "%"):
        result = cli.run(*words, text)
        assert (result.exit_code, "stop-at" in result.stderr) == (2, True), text
    result = cli.run("dead-letters", "requeue", "--all", "--stop-at", "5")
    assert "--stop-at needs --rate" in result.stderr
    cli.run("dead-letters", "requeue", "--all", "--rate", "1", "--limit", "1", "--stop-at", "0")
    stopped = lines(cli.ok("operations", "list", "--json"))[0]
    assert stopped["stop_at"] == {"percent": None, "failures": 0}


def list_limit(cli: Cli) -> None:
    for _ in range(3):
        cli.run("tasks", "cancel", "--all")
    result = cli.run("operations", "list", "--limit", "2")
    header, *rows = result.stdout.splitlines()
    assert header.split() == ["ID", "STATUS", "AGE", "DONE", "WHAT"]
    assert [row.split()[1] for row in rows] == ["completed"] * 2
    assert "only the first 2" in result.stderr


def list_json(cli: Cli) -> None:
    cli.run("tasks", "cancel", "--all")
    (operation,) = lines(cli.ok("operations", "list", "--json"))
    assert (operation["action"], operation["done"], operation["filter"]) == ("cancel", 2, None)


OPERATION_CASES: dict[str, Callable[[Cli], None]] = {
    **{f"{command} --rate": rate(command) for command in COMMANDS},
    **{f"{command} --detach": detach(command) for command in COMMANDS},
    "dead-letters requeue --stop-at": stop_at,
    "operations list --limit": list_limit,
    "operations list --json": list_json,
}
