"""Tokens that another issuer grants us: the client credentials grant of OAuth 2.0 (RFC 6749 section 4.4).

A token is kept until shortly before it expires. Of all workers of a process, one asks and the others wait.
"""

import base64
import logging
import math
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote_plus, urlencode

import msgspec
import pycurl

from taskrunner.domain.targets.credential import ClientAuth, GrantedToken
from taskrunner.domain.targets.tls_profile import profile_for
from taskrunner.domain.targets.url import parse_url
from taskrunner.handlers.http.curl_handle import CurlHandle
from taskrunner.handlers.http.settings import FetchSettings

# Seconds. The whole request, of which the task's own time is a bound, too.
_TIMEOUT = 10.0
# A failure is the answer to all who ask within these seconds; then one of them asks again.
_FAILURE_KEPT = 5.0
# A token is used until a tenth of its life is left, or this many seconds.
_MARGIN = 60.0
# RFC 6749 section 5.1 recommends expires_in; without it nobody knows how long the token is good.
_LIFETIME_UNKNOWN = 60.0
_MAX_ANSWER_BYTES = 64 * 1024
# RFC 6750 section 2.1: what an Authorization header can hold.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_ERROR_CODE = re.compile(r"[a-z_]{1,40}")

_log = logging.getLogger(__name__)


class TokenUnavailable(Exception):
    """There is no token now. The message is a sentence for users, without a secret."""


class _Answer(msgspec.Struct):
    access_token: str | None = None
    token_type: str | None = None
    expires_in: float | str | None = None
    error: str | None = None


@dataclass(slots=True)
class _Grant:
    """The last answer of one token endpoint: a token or a failure, and until when it counts."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    token: tuple[str, float] | None = None
    failure: tuple[str, float] | None = None
    asked_at: float = -math.inf


class TokenGrants:
    """One per process; workers call it at the same time."""

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings
        self._grants: Mapping[str, _Grant] = {name: _Grant() for name in settings.credentials}

    def token(self, name: str, credential: GrantedToken, timeout: float) -> str:
        """A token that is good for a while. Raises `TokenUnavailable`."""
        grant, timeout = self._grants[name], min(timeout, _TIMEOUT)
        if (token := _good(grant.token)) is not None:
            return token
        deadline = time.monotonic() + timeout
        if not grant.lock.acquire(timeout=timeout):
            raise TokenUnavailable(_told(name, "took too long to answer"))
        try:
            # Another worker may have asked meanwhile.
            if _good(grant.token) is None and _good(grant.failure) is None:
                self._renew(name, credential, grant, max(0.001, deadline - time.monotonic()))
            if (token := _good(grant.token)) is not None:
                return token
            raise TokenUnavailable(_told(name, _good(grant.failure) or "gave a token that has expired"))
        finally:
            grant.lock.release()

    def forget(self, name: str) -> None:
        """Ask again for the next attempt: a target has refused the token, which may have been revoked.

        Unless the token is new: a target that refuses each would have us ask for each attempt.
        """
        grant = self._grants.get(name)
        if grant is not None and time.monotonic() - grant.asked_at > _FAILURE_KEPT:
            grant.token = None

    def _renew(self, name: str, credential: GrantedToken, grant: _Grant, timeout: float) -> None:
        grant.asked_at = time.monotonic()
        try:
            status, content = self._ask(credential, timeout)
            token, lifetime = _read(status, content)
        except _Failed as exc:
            # The details may name hosts that a reader of the task need not know.
            _log.warning("the token endpoint of the credential %s %s%s", name, exc, exc.details)
            grant.failure = str(exc), time.monotonic() + _FAILURE_KEPT
            return
        grant.token = token, grant.asked_at + lifetime - min(_MARGIN, lifetime / 10)

    def _ask(self, credential: GrantedToken, timeout: float) -> tuple[int, bytes]:
        """The status and the body of the answer. No redirect is followed: it would get the secret."""
        url = parse_url(credential.token_url)
        profile = profile_for(url, self._settings.limits.tls_profiles)
        curl = CurlHandle(self._settings, profile, lambda *_: 0).curl
        content = bytearray()

        def write(part: bytes) -> int:
            content.extend(part)
            return len(part) if len(content) <= _MAX_ANSWER_BYTES else -1

        headers, fields = _request(credential)
        curl.setopt(pycurl.URL, url.text)
        curl.setopt(pycurl.HTTPHEADER, [*headers, f"User-Agent: {self._settings.user_agent}"])
        curl.setopt(pycurl.POSTFIELDS, urlencode(fields))
        curl.setopt(pycurl.WRITEFUNCTION, write)
        curl.setopt(pycurl.TIMEOUT_MS, max(1, int(timeout * 1000)))
        try:
            curl.perform()
            return int(curl.getinfo(pycurl.RESPONSE_CODE)), bytes(content)
        except pycurl.error as exc:
            raise _Failed("could not be asked", f": {exc.args[1]}") from exc
        finally:
            curl.close()


class _Failed(Exception):
    """Why there is no token, as the end of a sentence; `details` are for the log only."""

    def __init__(self, reason: str, details: str = "") -> None:
        super().__init__(reason)
        self.details = details


def _request(credential: GrantedToken) -> tuple[list[str], dict[str, str]]:
    """The header lines and the form. RFC 6749 section 2.3.1: id and secret are encoded, then joined."""
    headers = ["Accept: application/json", "Content-Type: application/x-www-form-urlencoded", "Expect:"]
    fields = {"grant_type": "client_credentials"}
    if credential.client_auth is ClientAuth.POST:
        fields |= {"client_id": credential.client_id, "client_secret": credential.client_secret}
    else:
        pair = f"{quote_plus(credential.client_id)}:{quote_plus(credential.client_secret)}"
        headers.append(f"Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    if credential.scope is not None:
        fields["scope"] = credential.scope
    if credential.audience is not None:
        fields["audience"] = credential.audience
    return headers, fields


def _read(status: int, content: bytes) -> tuple[str, float]:
    """The token and its lifetime in seconds (RFC 6749 section 5.1). Raises `_Failed`."""
    try:
        answer = msgspec.json.decode(content, type=_Answer)
    except ValueError:
        answer = _Answer()
    if status != 200:
        code = answer.error or ""
        raise _Failed(f"answered {status}{f' ({code})' if _ERROR_CODE.fullmatch(code) else ''}")
    if answer.access_token is None or (answer.token_type or "").lower() != "bearer":
        raise _Failed("gave no bearer token")
    if not _TOKEN.fullmatch(answer.access_token):
        raise _Failed("gave a token that no header can hold")
    return answer.access_token, _lifetime(answer.expires_in)


def _lifetime(given: float | str | None) -> float:
    """Some endpoints give the number as text."""
    try:
        seconds = float(given) if given is not None else _LIFETIME_UNKNOWN
    except ValueError:
        return _LIFETIME_UNKNOWN
    return seconds if 0 < seconds < math.inf else _LIFETIME_UNKNOWN


def _good(answer: tuple[str, float] | None) -> str | None:
    """The text of an answer that still counts."""
    return answer[0] if answer is not None and time.monotonic() < answer[1] else None


def _told(name: str, reason: str) -> str:
    return f"The token endpoint of the credential {name} {reason}; this attempt does not count."
