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


@pytest.mark.parametrize("text", ["WRONGTYPE Operation against a key", "wrong number of arguments", "OOMPH"])
def test_what_is_our_own_fault_is_no_outage(text: str) -> None:
    """It must be loud instead."""
    assert fault(driver.ResponseError(text), "h:1") is None
