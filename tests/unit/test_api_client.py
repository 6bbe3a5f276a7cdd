"""The client of the API leaves alone what the environment has for others."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import requests

from taskrunner.cli.api_client import ApiClient
from taskrunner.cli.errors import CONFLICT, USAGE, exit_code
from taskrunner.domain.errors import CallerError


def sent(client: ApiClient, url: str) -> tuple[requests.PreparedRequest, dict[str, str]]:
    session = client._session
    prepared = session.prepare_request(requests.Request("GET", url))
    settings = session.merge_environment_settings(url, {}, None, None, None)
    return prepared, dict(settings["proxies"])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login someone password s3cret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://proxy.test:3128")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "127.9.9.9", "app.localhost"])
def test_loopback_is_asked_without_proxy_and_without_netrc(host: str) -> None:
    url = f"http://{host}:8000"
    request, proxies = sent(ApiClient(url), f"{url}/tasks")
    assert "Authorization" not in request.headers
    assert not proxies


def test_another_host_is_asked_by_the_proxy_but_without_netrc() -> None:
    request, proxies = sent(ApiClient("http://api.test"), "http://api.test/tasks")
    assert "Authorization" not in request.headers
    assert proxies["http"] == "http://proxy.test:3128"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://api.test"])
def test_a_key_is_sent_instead_of_what_netrc_has(url: str) -> None:
    request, _ = sent(ApiClient(url, "tr_key"), f"{url}/tasks")
    assert request.headers["Authorization"] == "Bearer tr_key"


def test_a_key_and_credentials_of_the_url_are_refused() -> None:
    """One `Authorization` holds one of them; neither is told."""
    with pytest.raises(CallerError, match="leave out one of them") as told:
        ApiClient("http://me:pw@api.test", "tr_key")
    assert not {"pw", "tr_key"} & set(re.findall(r"\w+", str(told.value)))


def test_credentials_of_the_url_are_sent() -> None:
    request, _ = sent(ApiClient("http://me:pw@api.test"), "http://api.test/tasks")
    assert request.headers["Authorization"].startswith("Basic ")


class _Refusing(requests.adapters.BaseAdapter):
    """Answers each request with this problem."""

    def __init__(self, problem: dict[str, Any]) -> None:
        super().__init__()
        self._problem = problem

    def send(self, *_: Any, **__: Any) -> requests.Response:
        response = requests.Response()
        response.status_code = self._problem["status"]
        response._content = json.dumps(self._problem).encode()
        return response

    def close(self) -> None:
        """Nothing is open."""


@pytest.mark.parametrize(
    ("status", "code", "field", "ends"),
    [
        (409, "executor_disabled", "executor", CONFLICT),
        (409, "dedup_key_held", "dedup.key", CONFLICT),
        (409, "state_conflict", None, CONFLICT),
        (422, "idempotency_key_reused", "Idempotency-Key", CONFLICT),
        (422, "task_invalid", "url", USAGE),
    ],
)
def test_a_refusal_ends_as_it_does_without_an_api(
    status: int, code: str, field: str | None, ends: int
) -> None:
    """What conflicts with something that exists has an exit code of its own."""
    client = ApiClient("http://api.test")
    errors = [] if field is None else [{"field": field, "message": "no"}]
    problem = {"status": status, "code": code, "detail": "it is so", "errors": errors}
    client._session.mount("http://", _Refusing(problem))
    with pytest.raises(CallerError) as told:
        client.submit({"executor": "resize_image"})
    assert exit_code(told.value) == ends
