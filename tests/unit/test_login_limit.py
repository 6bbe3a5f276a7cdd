"""The limit of logins is that of a client's own addresses."""

import pytest

from taskrunner.api.auth.login_limit import LoginLimit
from taskrunner.api.http.problems import RequestRefused
from tests.tools.clock import ManualClock


@pytest.mark.parametrize(
    ("failing", "same", "other"),
    [
        ("198.51.100.7", "::ffff:198.51.100.7", "198.51.100.8"),
        ("::ffff:198.51.100.7", "198.51.100.7", "::ffff:198.51.100.8"),
        ("2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"),
    ],
)
def test_an_address_waits_for_its_own_failures(failing: str, same: str, other: str) -> None:
    """A socket for both families names a client with IPv4 by an address of IPv6."""
    limit = LoginLimit(ManualClock())
    for _ in range(10):
        limit.check(failing)
        limit.note_failure(failing)
    for address in (failing, same):
        with pytest.raises(RequestRefused):
            limit.check(address)
    limit.check(other)
