"""`taskrunner keys`: a key is shown once, and its changes are conditional on its state."""

import asyncio

import pytest

from taskrunner.app.platform import Platform
from taskrunner.config import load
from taskrunner.domain.keys.api_key import check_secret, new_secret
from tests.flow.cli.harness import Cli, lines


def is_good(cli: Cli, secret: str) -> bool:
    """Whether an API on this store would take the key."""

    async def look() -> bool:
        platform = Platform(load(environ=cli.environment), publishes=False)
        async with platform.running(need_store=True):
            return await platform.keys.find(secret) is not None

    return asyncio.run(look())


def test_a_key_is_shown_once(cli: Cli) -> None:
    """The key alone on stdout, so that a script can take it; the list shows how it begins."""
    result = cli.run("keys", "create", "web", "--scope", "submit", "--scope", "read", "--owner", "shop")
    secret = check_secret(result.stdout.strip())
    assert (result.exit_code, "nobody can show it again" in result.stderr) == (0, True)
    assert is_good(cli, secret)
    listed = cli.ok("keys", "list")
    assert secret not in listed
    row = listed.splitlines()[1].split()
    assert row == ["web", f"{secret[:7]}…", "submit,read", "shop", "-", "good", "never"]
    (view,) = lines(cli.ok("keys", "list", "--json"))
    assert (view["name"], view["scopes"], view["hint"]) == ("web", ["submit", "read"], secret[:7])
    assert "secret" not in view


def test_a_revoked_key_is_refused_for_ever(cli: Cli) -> None:
    """Its name stays taken, since tasks name it; revoking it again changes nothing."""
    secret = cli.ok("keys", "create", "web", "--scope", "read").strip()
    for _ in range(2):
        assert cli.ok("keys", "revoke", "web") == "web revoked\n"
    assert not is_good(cli, secret)
    assert " revoked " in cli.ok("keys", "list").splitlines()[1]
    for words in (("rotate", "web"), ("create", "web", "--scope", "read")):
        assert cli.run("keys", *words).exit_code == 5


@pytest.mark.parametrize(("words", "first_is_good"), [((), False), (("--grace", "1h"), True)])
def test_a_rotated_key(cli: Cli, words: tuple[str, ...], first_is_good: bool) -> None:
    """The new one is good, and the one before as long as it was given."""
    first = cli.ok("keys", "create", "web", "--scope", "read").strip()
    second = cli.ok("keys", "rotate", "web", *words).strip()
    assert first != second
    assert (is_good(cli, first), is_good(cli, second)) == (first_is_good, True)


def test_a_key_that_expires_is_told(cli: Cli) -> None:
    cli.ok("keys", "create", "web", "--scope", "read", "--expires-in", "1d")
    assert " until 2" in cli.ok("keys", "list").splitlines()[1]


def test_a_generated_key_is_for_the_configuration(cli: Cli) -> None:
    """It is good where it is configured, is listed as such, and cannot be changed here."""
    secret = cli.ok("keys", "generate").strip()
    assert cli.ok("keys", "generate").strip() != secret
    assert not is_good(cli, secret)
    environ = {"TASKRUNNER_API__KEYS": f"ops={secret} read read:all"}
    listed = cli.run("keys", "list", environ=environ).stdout
    assert "good (configuration)" in listed
    assert secret not in listed
    for words in (("revoke", "ops"), ("rotate", "ops"), ("create", "ops", "--scope", "read")):
        result = cli.run("keys", *words, environ=environ)
        assert result.exit_code == 5, words
        assert secret not in result.output


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ("create", 2, "Missing argument"),
        ("create web", 2, "Missing option '--scope'"),
        ("create Web --scope read", 2, "name: must be 1 to 63 lower-case letters"),
        ("create a~b --scope read", 2, "name: must be"),
        ("create web --scope write", 2, "scopes: must be one of submit, read,"),
        ("create web --scope read --expires-in soon", 2, "--expires-in"),
        ("revoke other", 4, "no key has the name 'other'"),
        ("rotate other", 4, "`taskrunner keys list` shows all"),
        ("rotate web --grace never", 2, "--grace"),
    ],
)
def test_what_cannot_be_done_is_told(cli: Cli, words: str, code: int, told: str) -> None:
    result = cli.run("keys", *words.split())
    assert result.exit_code == code
    assert told in result.stderr


def test_a_key_of_the_environment_is_for_the_api_alone(cli: Cli) -> None:
    """Commands on the store leave it alone, so that a shell may keep it."""
    environ = {"TASKRUNNER_API_KEY": new_secret()}
    assert cli.run("produce", "--url", "http://a.test/", environ=environ).exit_code == 0
