"""What an attempt sends to prove who asks, while a reload changes the credentials."""

from datetime import UTC, datetime

import jwt
import pytest

from taskrunner.domain.retries.retry_policy import RetryPolicy
from taskrunner.domain.targets.credential import Credential, GrantedToken, SignedToken
from taskrunner.domain.targets.url import parse_url
from taskrunner.domain.tasks.task import Task
from taskrunner.handlers.http.http_request import HttpRequest
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.target_auth import TargetAuth
from taskrunner.handlers.http.token_grants import TokenUnavailable
from tests.tools.token_keys import ed25519_pem

SIGNED = SignedToken(key_pem=ed25519_pem(), hosts=("h.test",))
# Nobody listens there.
GRANTED = GrantedToken(
    token_url="http://127.0.0.1:1/",
    client_id="c",
    client_secret="s",
    hosts=("h.test",),
)


class _Reloading(dict[str, Credential]):
    """A reload comes just when an attempt looks for its credential."""

    auth: TargetAuth

    def get(self, name: str, default: object = None) -> Credential:
        self.auth.configure(FetchSettings(issuer="https://new.test"))
        return self[name]


def authorize_during_reload(credential: Credential) -> HttpRequest:
    credentials = _Reloading(erp=credential)
    auth = credentials.auth = TargetAuth(FetchSettings(issuer="https://old.test", credentials=credentials))
    task = Task(
        id="t",
        url="https://h.test/",
        timeout=1,
        max_attempts=1,
        auth="erp",
        retry=RetryPolicy(),
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    request = HttpRequest(method="GET", url=parse_url(task.url or ""), header_lines=[], cross_origin_lines=[])
    auth.authorize(request, task, 1, 0.0)
    return request


def test_an_attempt_uses_the_settings_with_which_it_began() -> None:
    [line] = authorize_during_reload(SIGNED).header_lines
    claims = jwt.decode(line.removeprefix("Authorization: Bearer "), options={"verify_signature": False})
    assert claims["iss"] == "https://old.test"


def test_an_attempt_gets_its_token_although_a_reload_removes_the_credential() -> None:
    """Its endpoint is asked. A `KeyError` would count as an attempt of the task."""
    with pytest.raises(TokenUnavailable):
        authorize_during_reload(GRANTED)
