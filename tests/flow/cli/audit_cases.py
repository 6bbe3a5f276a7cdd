"""Cases of the options of `taskrunner audit`."""

from collections.abc import Mapping

from tests.flow.cli.harness import Case, Cli, lines


def condition(option: str, value: str, found: int) -> Case:
    """Of a pause and a cancelled task."""

    def case(cli: Cli) -> None:
        cli.ok("pause", "--queue", "low")
        cli.ok("task", "cancel", "new")
        assert len(lines(cli.ok("audit", "--json", option, value))) == found

    return case


AUDIT_CASES: Mapping[str, Case] = {
    "audit --key": condition("--key", "nobody", 0),
    "audit --action": condition("--action", "tasks", 1),
    "audit --since": condition("--since", "1h", 2),
    "audit --until": condition("--until", "1h", 0),
    "audit --limit": condition("--limit", "1", 1),
}
