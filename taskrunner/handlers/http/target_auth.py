"""The headers that prove who asks: the signature of a callback, and what the task's credential sends.

Made for each attempt, after the request is otherwise complete. No redirect to another origin carries them
(see `redirects`).
"""

from typing import TYPE_CHECKING

from taskrunner.domain.targets import signature
from taskrunner.domain.targets.credential import (
    GrantedToken,
    SignedToken,
    SigningSecret,
    check_credential,
    check_name,
    use_of,
)
from taskrunner.domain.tasks.attempt_headers import token_id
from taskrunner.domain.tasks.submitter import without_namespace
from taskrunner.domain.tasks.task import Task
from taskrunner.handlers.http.http_request import HttpRequest, line_name
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.token_grants import TokenGrants

if TYPE_CHECKING:
    from taskrunner.domain.targets.signed_token import TokenKey

    _Keys = dict[str, TokenKey]


class SecretMissing(Exception):
    """This process has no secret or credential of the name that the task has."""


class TargetAuth:
    """One per process; workers call `authorize` at the same time."""

    def __init__(self, settings: FetchSettings) -> None:
        self.configure(settings)

    def configure(self, settings: FetchSettings) -> None:
        """Use the secrets and credentials of `settings` from the next attempt on."""
        # One assignment: workers read it meanwhile, and an attempt must not mix old settings with new ones.
        self._parts: tuple[FetchSettings, _Keys, TokenGrants] = settings, {}, TokenGrants(settings)

    def authorize(self, request: HttpRequest, task: Task, number: int, now: float) -> None:
        """Add what the task's secret and credential send in attempt `number`.

        Raises `SecretMissing`, `TokenUnavailable`, and `ValueError` for one that is not for this request: an
        AMQP client can name it without intake.
        """
        settings, keys, grants = self._parts
        if task.signed_by is not None:
            secret = settings.secrets.get(task.signed_by)
            if secret is None:
                raise SecretMissing
            check_name("secret", task.signed_by, request.url, {task.signed_by: secret.hosts})
            _sign(request, task, secret, int(now))
        if task.auth is not None:
            credential = settings.credentials.get(task.auth)
            if credential is None:
                raise SecretMissing
            check_credential(task.auth, request.url, task.headers, {task.auth: use_of(credential)})
            if isinstance(credential, SigningSecret):
                _sign(request, task, credential, int(now))
            elif isinstance(credential, SignedToken):
                token = _issue(settings, keys, task.auth, credential, request, token_id(task, number), now)
                _add(request, f"Authorization: Bearer {token}")
            elif isinstance(credential, GrantedToken):
                token = grants.token(task.auth, credential, task.timeout)
                _add(request, f"Authorization: Bearer {token}")

    def refused(self, task: Task) -> None:
        """The target has answered 401."""
        if task.auth is not None:
            _, _, grants = self._parts
            grants.forget(task.auth)


def _issue(
    settings: FetchSettings,
    keys: "_Keys",
    name: str,
    credential: SignedToken,
    request: HttpRequest,
    jti: str,
    now: float,
) -> str:
    from taskrunner.domain.targets.signed_token import TokenKey, claims_of

    key = keys.get(credential.key_pem)
    if key is None:
        key = keys[credential.key_pem] = TokenKey(credential.key_pem)
    return key.sign(
        claims_of(
            issuer=settings.issuer or "",
            subject=credential.subject or name,
            audience=credential.audience or request.url.origin_text,
            token_id=jti,
            now=now,
        )
    )


def _sign(request: HttpRequest, task: Task, secret: SigningSecret, timestamp: int) -> None:
    message_id = without_namespace(task.id)
    signed = signature.sign(secret.keys, message_id, timestamp, request.content or b"")
    _add(
        request,
        f"webhook-id: {message_id}",
        f"webhook-timestamp: {timestamp}",
        f"webhook-signature: {signed}",
    )


def _add(request: HttpRequest, *lines: str) -> None:
    """In place of lines of the same names."""
    ours = {line_name(line) for line in lines}
    request.header_lines = [*(each for each in request.header_lines if line_name(each) not in ours), *lines]
