"""Cases of the options of `taskrunner keys`, and of a key for `produce --api`."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from taskrunner.domain.keys.api_key import new_secret
from tests.flow.cli.harness import Case, Cli, lines


def made(cli: Cli, *words: str) -> Any:
    """What `keys create` tells of a new key."""
    return lines(cli.ok("keys", "create", "web", "--json", *words))[0]


def scope(cli: Cli) -> None:
    assert made(cli, "--scope", "submit", "--scope", "read:all")["scopes"] == ["submit", "read:all"]
    result = cli.run("keys", "create", "other", "--scope", "submit", "--scope", "raed")
    assert (result.exit_code, 'did you mean "read"' in result.stderr) == (2, True)


def owner(cli: Cli) -> None:
    assert made(cli, "--scope", "read", "--owner", "shop")["owner"] == "shop"


def expiry(cli: Cli) -> None:
    until = datetime.fromisoformat(made(cli, "--scope", "read", "--expires-in", "90d")["expires_at"])
    assert abs(until - datetime.now(UTC) - timedelta(days=90)) < timedelta(hours=1)
    assert cli.run("keys", "create", "x", "--scope", "read", "--expires-in", "0s").exit_code == 2


def grace(cli: Cli) -> None:
    made(cli, "--scope", "read")
    (rotated,) = lines(cli.ok("keys", "rotate", "web", "--grace", "1h", "--json"))
    until = datetime.fromisoformat(rotated["previous_until"])
    assert timedelta(minutes=50) < until - datetime.now(UTC) <= timedelta(hours=1)


def key(cli: Cli) -> None:
    """It is for the API alone, and a wrong one is not repeated in the message."""
    secret, task = new_secret(), ("produce", "--url", "http://a.test/")
    assert cli.run(*task, "--key", secret).exit_code == 2
    for given in ("wrong", f"{secret} x", f"{secret}\nX-More: 1"):
        result = cli.run(*task, "--api", "http://127.0.0.1:1", "--key", given)
        assert (result.exit_code, given.split()[0] in result.output) == (2, False)
        assert "taskrunner keys generate" in result.stderr
    result = cli.run(*task, "--api", "http://127.0.0.1:1", "--key", secret)
    assert (result.exit_code, "cannot reach the API" in result.stderr) == (3, True)


def limit(cli: Cli) -> None:
    both = made(cli, "--scope", "read", "--rate", "90/m", "--burst", "3")
    assert (both["rate"], both["burst"]) == (1.5, 3)
    (changed,) = lines(cli.ok("keys", "limit", "web", "--rate", "50/s", "--json"))
    assert (changed["rate"], changed["burst"]) == (50.0, 3)
    assert cli.ok("keys", "limit", "web", "--burst", "7") == "web 50/s burst=7\n"
    (listed,) = lines(cli.ok("keys", "list", "--json"))
    assert (listed["rate"], listed["burst"]) == (50.0, 7)
    assert cli.ok("keys", "limit", "web", "--none") == "web -\n"
    for words in (("--burst", "3"), ("--rate", "x"), ("--rate", "0/s"), (), ("--none", "--rate", "1/s")):
        assert cli.run("keys", "limit", "web", *words).exit_code == 2
    assert cli.run("keys", "create", "x", "--scope", "read", "--burst", "3").exit_code == 2
    assert cli.run("keys", "limit", "nobody", "--rate", "1/s").exit_code == 4


def live_tasks(cli: Cli) -> None:
    assert made(cli, "--scope", "submit", "--max-live-tasks", "5")["max_live_tasks"] == 5
    (changed,) = lines(cli.ok("keys", "limit", "web", "--max-live-tasks", "7", "--json"))
    assert changed["max_live_tasks"] == 7
    assert cli.run("keys", "limit", "web", "--max-live-tasks", "0").exit_code == 2


def stored_bytes(cli: Cli) -> None:
    assert made(cli, "--scope", "submit", "--max-stored-bytes", "5000")["max_stored_bytes"] == 5000
    assert cli.ok("keys", "limit", "web", "--max-stored-bytes", "7000") == "web stored=7000\n"
    (listed,) = lines(cli.ok("keys", "list", "--json"))
    assert (listed["max_stored_bytes"], listed["stored_bytes"]) == (7000, 0)
    assert listed["stored_bytes_at"] is not None
    assert cli.ok("keys", "limit", "web", "--none") == "web -\n"


KEY_CASES: Mapping[str, Case] = {
    "keys create --scope": scope,
    "keys create --owner": owner,
    "keys create --expires-in": expiry,
    "keys rotate --grace": grace,
    "keys create --rate": limit,
    "keys create --burst": limit,
    "keys limit --rate": limit,
    "keys limit --burst": limit,
    "keys limit --none": limit,
    "keys create --max-live-tasks": live_tasks,
    "keys limit --max-live-tasks": live_tasks,
    "keys create --max-stored-bytes": stored_bytes,
    "keys limit --max-stored-bytes": stored_bytes,
    "produce --key": key,
}
