"""Access: which key an HTTP request came with, and whether that key may ask for its route."""

from collections.abc import Sequence

from aiohttp import web

from taskrunner.api.access_settings import AccessSettings
from taskrunner.api.admission import Admission, Asker, Caller
from taskrunner.api.client_address import is_near
from taskrunner.api.parameters import TASK_ID
from taskrunner.api.problems import Problem, RequestRefused
from taskrunner.api.rate_limits import has_allowance, remember_allowance
from taskrunner.api.requests import path_value
from taskrunner.api.scopes import MONITOR, Needs
from taskrunner.api.session_cookie import check_change, session_secret
from taskrunner.domain.api_key import ApiKey
from taskrunner.domain.console_session import ConsoleSession
from taskrunner.domain.errors import OutsideError
from taskrunner.producer.key_limiter import KeyLimiter
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.sessions import Sessions
from taskrunner.producer.task_quota import TaskQuota

# RFC 6750 section 3 and RFC 7617 section 2. Browsers ask people for the second.
_BEARER, _BASIC = 'Bearer realm="taskrunner"', 'Basic realm="taskrunner", charset="UTF-8"'
_CALLER = web.RequestKey("caller", Caller)
_SESSION = web.RequestKey("session", ConsoleSession)


def session_of(request: web.Request) -> ConsoleSession | None:
    """The session that the request came with."""
    return request.get(_SESSION)


def caller_of(request: web.Request) -> Caller:
    """The caller that `Access` has found."""
    return request[_CALLER]


def stored_id(request: web.Request) -> str:
    """The id in the path, as the store has it. Raises `TaskUnknown` for what no task can have."""
    return caller_of(request).stored(path_value(request, TASK_ID))


class Access:
    """Asked before the handler of each route."""

    def __init__(
        self,
        keys: KeyWatch,
        settings: AccessSettings,
        limiter: KeyLimiter,
        sessions: Sessions | None = None,
        quota: TaskQuota | None = None,
    ) -> None:
        self._admission = Admission(keys, settings, limiter, quota)
        self._sessions = sessions

    @property
    def is_open(self) -> bool:
        """Whether everybody may do everything."""
        return self._admission.is_open

    async def admit(self, request: web.Request, needs: Needs) -> None:
        """Raises `RequestRefused` (400, 401, 403, 429), and `OutsideError` while no key can be known."""
        asker = _RequestAsker(request, self._sessions)
        caller = request[_CALLER] = await self._admission.caller(asker, needs)
        key = caller.key
        # With `Expect: 100-continue`, a request is admitted before its body and after it, and counts once.
        if key is None or key.rate is None or has_allowance(request):
            return
        remember_allowance(request, await self._admission.take(caller))

    async def sees_details(self, request: web.Request) -> bool:
        """Whether the caller may see the details of an open monitoring route. Waits for no service."""
        try:
            await self._admission.caller(_RequestAsker(request, self._sessions), MONITOR, is_probe=True)
        except (RequestRefused, OutsideError):
            return False
        return True

    async def still_admits(self, request: web.Request, needs: Needs) -> bool:
        """Whether the caller could make the request again and see as much. Waits for no service."""
        asker = _RequestAsker(request, self._sessions)
        return await self._admission.still_admits(asker, caller_of(request), needs)


class _RequestAsker(Asker):
    """An HTTP request, which may come with a session of the console."""

    def __init__(self, request: web.Request, sessions: Sessions | None) -> None:
        self._request = request
        self._sessions = sessions

    def authorization(self) -> Sequence[str]:
        return self._request.headers.getall("Authorization", ())

    def is_near(self) -> bool:
        return is_near(self._request)

    async def other_key(self, *, is_probe: bool) -> ApiKey | None:
        secret = None if self._sessions is None else session_secret(self._request)
        if secret is None or self._sessions is None:
            return None
        found = self._sessions.find_known(secret) if is_probe else await self._sessions.find(secret)
        if found is None:
            return None
        check_change(self._request)
        self._request[_SESSION], key = found
        return key

    def unauthorized(self, code: str, detail: str) -> RequestRefused:
        # Browsers answer the second with a dialog of their own, also for the script of a page, which has its
        # own form; scripts have said so by this header since there have been any.
        by_script = "X-Requested-With" in self._request.headers
        challenge = _BEARER if by_script else f"{_BEARER}, {_BASIC}"
        headers = {"WWW-Authenticate": challenge}
        return RequestRefused(Problem(status=401, code=code, detail=detail, headers=headers))

    def without_key(self) -> RequestRefused:
        if session_secret(self._request) is not None:
            return self.unauthorized("session_over", "this session has ended: sign in again")
        return super().without_key()
