"""The hosts that a server knows."""

import pytest
from aiohttp.test_utils import make_mocked_request

from taskrunner.api.http.problems import RequestRefused
from taskrunner.api.http.request_guard import RequestGuard
from taskrunner.api.http.settings import ServerSettings


@pytest.mark.parametrize(
    "host", ["tasks.example.com", "tasks.example.com:8443", "a.b.internal", "TASKS.example.com."]
)
def test_a_configured_name_is_served(host: str) -> None:
    guard = RequestGuard(ServerSettings(hosts=("tasks.example.com", "*.internal")))
    guard.check(make_mocked_request("GET", "/tasks", {"Host": host}))


@pytest.mark.parametrize("host", ["internal", "example.com", "x.tasks.example.com", "evil-internal"])
def test_a_name_that_is_only_like_it_is_not(host: str) -> None:
    guard = RequestGuard(ServerSettings(hosts=("tasks.example.com", "*.internal")))
    with pytest.raises(RequestRefused, match=r"Api\.hosts"):
        guard.check(make_mocked_request("GET", "/tasks", {"Host": host}))


def test_any_host_can_be_allowed() -> None:
    guard = RequestGuard(ServerSettings(hosts=("*",)))
    guard.check(make_mocked_request("GET", "/tasks", {"Host": "what.ever"}))
