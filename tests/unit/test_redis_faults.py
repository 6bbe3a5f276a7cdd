"""Errors of the driver: which are outages, and what people are told."""

import pytest
from redis import exceptions as driver

from taskrunner.stores.redis.faults import fault


@pytest.mark.parametrize(
    ("exc", "told", "answers"),
    [
        (
            driver.ConnectionError("Error 111 connecting to h:1. Connection refused."),
            "cannot reach Redis at h:1: Connection refused",
            False,
        ),
        (ConnectionResetError("reset"), "cannot reach Redis at h:1: reset", False),
        (driver.BusyLoadingError("Redis is loading"), "still loading", False),
        (driver.AuthenticationError("invalid username-password pair"), "check Redis.user", False),
        (driver.NoPermissionError("this user has no permissions"), "forbids a command", False),
        (driver.ResponseError("The user executing the script can't run this"), "forbids a command", False),
        (driver.ResponseError("DB index is out of range"), "check Redis.db", False),
        (driver.ResponseError("ACL failure in script: User u has no"), "forbids a command", False),
        (driver.ReadOnlyError("You can't write"), "read-only replica", False),
        (driver.ResponseError("READONLY You can't write"), "read-only replica", False),
        (driver.MasterDownError("Link with MASTER is down"), "lost its primary", False),
        (driver.ResponseError("BUSY Redis is busy running a script"), "busy", False),
        (driver.OutOfMemoryError("command not allowed"), "out of memory", True),
        (driver.ResponseError("MISCONF Redis is configured to save"), "cannot save to disk", True),
        (driver.ResponseError("NOREPLICAS Not enough good replicas"), "too few replicas", True),
        (
            driver.ResponseError(
                "Error running script (call to f_1): @user_script:6: -OOM command not allowed"
            ),
            "out of memory",
            True,
        ),
        (driver.InvalidResponse("Protocol Error"), "Redis at h:1 failed: Protocol Error", False),
    ],
)
def test_outages(exc: Exception, told: str, answers: bool) -> None:
    """Each names the server; some leave it readable."""
    found = fault(exc, "h:1")
    assert found is not None
    assert "h:1" in found.message
    assert told in found.message
    assert found.answers is answers


@pytest.mark.parametrize(
    ("exc", "code", "words"),
    [
        (driver.ResponseError("WRONGTYPE Operation against a key"), "WRONGTYPE", "WRONGTYPE Operation"),
        (driver.ResponseError("CROSSSLOT Keys in request don't hash"), "CROSSSLOT", "CROSSSLOT Keys"),
        (driver.ResponseError("wrong number of arguments"), "ERR", "wrong number of arguments"),
        (driver.ResponseError("OOMPH"), "ERR", "OOMPH"),
    ],
)
def test_what_we_do_not_know_is_told_with_its_code_and_words(exc: Exception, code: str, words: str) -> None:
    """And is no outage: the server answers."""
    found = fault(exc, "h:1")
    assert found is not None
    assert (found.unknown, found.answers) == (code, True)
    assert found.message == f"Redis at h:1 refused a command: {exc}"
    assert words in found.message


def test_the_arguments_of_an_unknown_command_are_not_told() -> None:
    """They are values of a task."""
    found = fault(driver.ResponseError("unknown command 'X', with args beginning with: 's3cret'"), "h:1")
    assert found is not None
    assert found.message == "Redis at h:1 refused a command: unknown command 'X'"


@pytest.mark.parametrize(
    ("exc", "told"),
    [
        (driver.AskError("16 10.0.0.1:7001"), "is moving: calls wait until the move is over"),
        (driver.TryAgainError("Multiple keys request during rehashing"), "is moving"),
        (driver.MovedError("16 10.0.0.1:7001"), "without our slot"),
        (driver.MovedError("16 10.0.0.1:7001"), "(10.0.0.1:7001)"),
        (driver.NoPermissionError("User u has no permissions to run the 'zadd' command"), "'zadd' command"),
    ],
)
def test_the_culprit_is_named(exc: Exception, told: str) -> None:
    """A slot on its way to another node, and a command that an ACL forbids."""
    found = fault(exc, "h:1")
    assert found is not None
    assert told in found.message
    assert (found.answers, found.unknown) == (False, "")


def test_a_script_that_is_not_loaded_is_no_fault() -> None:
    assert fault(driver.NoScriptError("No matching script"), "h:1") is None
