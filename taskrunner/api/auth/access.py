"""Access: which key a request came with, and whether that key may do what it asks for.

`Admission` knows neither HTTP nor gRPC: each API passes an `Asker` that reads its requests. `Access` is
HTTP's.
"""

import dataclasses
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext

from aiohttp import web

from taskrunner.api.auth.access_settings import AccessSettings, Auth
from taskrunner.api.auth.asker import HOW_TO_SEND_A_KEY, Asker
from taskrunner.api.auth.rate_limits import has_allowance, remember_allowance, too_many
from taskrunner.api.auth.scopes import MONITOR, Needs
from taskrunner.api.auth.session_cookie import check_change, session_secret
from taskrunner.api.http.client_address import is_near
from taskrunner.api.http.parameters import TASK_ID
from taskrunner.api.http.problems import Problem, RequestRefused, problem_of, refuse
from taskrunner.api.http.requests import path_value, secret_in
from taskrunner.domain.errors import CallerError, OutsideError, StoreUnavailable
from taskrunner.domain.keys.api_key import ApiKey, Scope
from taskrunner.domain.keys.console_session import ConsoleSession
from taskrunner.domain.schedules.schedule import Schedule
from taskrunner.domain.tasks.dry_run import DryRun
from taskrunner.domain.tasks.record import DeadLetter, Record
from taskrunner.domain.tasks.submitter import submitter_of
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.value import replace
from taskrunner.producer.key_limiter import Allowance, KeyLimiter
from taskrunner.producer.key_quotas import KeyQuotas
from taskrunner.producer.key_watch import KeyWatch
from taskrunner.producer.sessions import Sessions
from taskrunner.producer.task_quota import Room

# RFC 6750 section 3 and RFC 7617 section 2: what a client may send. Browsers ask people for the second.
_BEARER, _BASIC = 'Bearer realm="taskrunner"', 'Basic realm="taskrunner", charset="UTF-8"'

# Callers are made anew once so many keys have been used.
_MOST_CALLERS = 1024


class Caller:
    """Who sent a request: a key, or None for anybody, who may then do everything."""

    def __init__(self, key: ApiKey | None, quotas: KeyQuotas | None = None) -> None:
        self.key = key
        self._quotas = quotas if key is not None and key.has_quota else None
        self.submitter = None if key is None else submitter_of(key)

    def room_for(self, count: int, size_bytes: int) -> AbstractAsyncContextManager[Room]:
        """Submit so many tasks inside, and say how many are new. Raises `QuotaUsed`."""
        if self._quotas is None or self.key is None:
            return nullcontext(Room())
        return self._quotas.room_for(self.key, count, size_bytes)

    @property
    def has_quota(self) -> bool:
        """Whether `room_for` may refuse."""
        return self._quotas is not None

    @property
    def name(self) -> str | None:
        return None if self.key is None else self.key.name

    @property
    def may_read(self) -> bool:
        return self.key is None or self.key.allows(Scope.READ)

    @property
    def namespace(self) -> str:
        """How the ids of all tasks begin that it can see; see `Submitter`."""
        return "" if self.submitter is None else self.submitter.namespace

    def stored(self, name: str) -> str:
        """The id or name of the request, as the store has it."""
        return name if self.submitter is None else self.submitter.stored(name)

    def shown(self, text: str) -> str:
        """The inverse of `stored`, also for ids and names in a sentence."""
        return text if self.submitter is None else self.submitter.shown(text)

    def shown_refusal(self, refusal: CallerError) -> CallerError | None:
        """`refusal` with the ids in it as this caller knows them; None if it has no such ids."""
        problem = problem_of(refusal) if self.namespace else None
        if problem is None:
            return None
        errors = [replace(error, message=self.shown(error.message)) for error in problem.errors]
        return RequestRefused(dataclasses.replace(problem, detail=self.shown(problem.detail), errors=errors))

    def shown_task(self, task: Task) -> Task:
        """`task` with its ids as this caller knows them."""
        if not self.namespace:
            return task
        validators = task.validators
        if validators is not None:
            validators = replace(validators, task_id=self.shown(validators.task_id))
        return replace(task, id=self.shown(task.id), validators=validators)

    def shown_record(self, record: Record) -> Record:
        """`record` with its ids as this caller knows them."""
        return replace(record, task=self.shown_task(record.task)) if self.namespace else record

    def shown_dry_run(self, found: DryRun) -> DryRun:
        """`found` with its ids as this caller knows them."""
        existing, replaces = (
            None if each is None else self.shown(each) for each in (found.existing_id, found.replaces_id)
        )
        task = self.shown_task(found.task)
        return replace(found, task=task, existing_id=existing, replaces_id=replaces)

    def shown_letter(self, letter: DeadLetter) -> DeadLetter:
        """`letter` with its id as this caller knows it."""
        return replace(letter, id=self.shown(letter.id)) if self.namespace else letter

    def shown_schedule(self, schedule: Schedule) -> Schedule:
        """`schedule` with its name, and the id of its last task, as this caller knows them."""
        if not self.namespace:
            return schedule
        last = schedule.last_task_id
        return replace(
            schedule, name=self.shown(schedule.name), last_task_id=None if last is None else self.shown(last)
        )

    def selection(self, task_filter: TaskFilter) -> TaskFilter:
        """`task_filter` over the tasks that this caller can see."""
        return replace(task_filter, namespace=self.namespace) if self.namespace else task_filter


ANYBODY = Caller(None)


class Admission:
    """Asked before each handler of a server."""

    def __init__(
        self,
        keys: KeyWatch,
        settings: AccessSettings,
        limiter: KeyLimiter,
        quotas: KeyQuotas | None = None,
    ) -> None:
        self._keys = keys
        self._limiter = limiter
        self._settings = settings
        # Everybody may do everything.
        self.is_open = settings.auth is Auth.NONE
        self._quotas = quotas
        # By the name of the key.
        self._callers: dict[str, Caller] = {}

    async def caller(self, asker: Asker, needs: Needs, *, is_probe: bool = False) -> Caller:
        """Raises `RequestRefused` (400, 401, 403), and `OutsideError` while no key can be known.

        A probe waits for no service.
        """
        if self.is_open or not (needs.scopes or needs.keyed):
            return ANYBODY
        given = asker.authorization()
        if len(given) > 1:
            # RFC 9110 section 5.3: it is no list, and a proxy in front of us may have checked the other one.
            raise refuse(400, "bad_header", "Authorization: is given more than once; send one")
        if given:
            key = await self._key_in(asker, given[0], is_probe=is_probe)
        else:
            found = await asker.other_key(is_probe=is_probe) if asker.may_have_other_key else None
            if found is None:
                if self._is_open_to(asker, needs):
                    return ANYBODY
                raise asker.without_key()
            key = found
        if missing := [scope for scope in needs.scopes if not key.allows(scope)]:
            detail = f"key {key.name!r} lacks the scope {' and '.join(missing)}, which this needs"
            raise refuse(403, "scope_missing", detail)
        caller = self._callers.get(key.name)
        if caller is None or caller.key is not key:
            if len(self._callers) >= _MOST_CALLERS:
                self._callers.clear()
            caller = self._callers[key.name] = Caller(key, self._quotas)
        return caller

    async def take(self, caller: Caller) -> Allowance | None:
        """Take one request from the limit of the caller's key. Raises `RequestRefused` (429)."""
        if caller.key is None or caller.key.rate is None:
            return None
        allowance = await self._limiter.take(caller.key)
        if allowance is not None and not allowance.granted:
            raise too_many(caller.key, allowance)
        return allowance

    async def still_admits(self, asker: Asker, caller: Caller, needs: Needs) -> bool:
        """Whether the caller could make the request again and see as much. Waits for no service."""
        if caller.key is None:
            # It came from near, or everybody is let in: only the first key can change that.
            return self.is_open or self._settings.auth is Auth.LOOPBACK or not self._keys.is_needed
        try:
            again = await self.caller(asker, needs, is_probe=True)
        except (RequestRefused, OutsideError):
            return False
        return again.namespace == caller.namespace

    async def _key_in(self, asker: Asker, authorization: str, *, is_probe: bool) -> ApiKey:
        secret = secret_in(authorization)
        key = None
        if secret is not None:
            key = self._keys.find_known(secret) if is_probe else await self._keys.find(secret)
        if key is None:
            detail = (
                "this API key is unknown, expired or revoked"
                if secret
                else f"no API key: {HOW_TO_SEND_A_KEY}"
            )
            raise asker.unauthorized("key_unknown", detail)
        return key

    def _is_open_to(self, asker: Asker, needs: Needs) -> bool:
        """Whether a request without a key may have what it asks for. Raises `StoreUnavailable`."""
        keys = self._keys
        if needs.monitor and not self._settings.monitor:
            return True
        if not asker.is_near():
            return False
        if needs.monitor and not keys.is_needed:
            # Also while the store, which has the keys, is away: then operators need these most.
            return True
        if not self._settings.local:
            return False
        if self._settings.auth is Auth.LOOPBACK:
            return True
        if not keys.is_known and not keys.is_needed:
            raise StoreUnavailable("the API keys are in the store, which has not answered yet")
        return not keys.is_needed


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
        quotas: KeyQuotas | None = None,
    ) -> None:
        self._admission = Admission(keys, settings, limiter, quotas)
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
        # With `Expect: 100-continue`, a request is admitted before and after its body, and counts once.
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

    @property
    def may_have_other_key(self) -> bool:
        return "Cookie" in self._request.headers

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
