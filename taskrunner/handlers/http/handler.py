"""The HTTP handler: makes an attempt as one exchange per redirect, and turns the result into an outcome."""

import logging
import time
import traceback
from datetime import UTC, datetime
from http import HTTPStatus

from taskrunner.domain.retries.rules import RulesUnreadable, first_match
from taskrunner.domain.tasks.outcome import Hop, Outcome, OutcomeKind, Response
from taskrunner.domain.tasks.task import Task
from taskrunner.domain.value import replace
from taskrunner.handlers.base import AttemptContext, Handler
from taskrunner.handlers.http import shortage
from taskrunner.handlers.http.diagnosis import BLOCKED, UNRESOLVED, FetchFailure, diagnose
from taskrunner.handlers.http.exchange import Exchange
from taskrunner.handlers.http.fetch_engine import FetchEngine
from taskrunner.handlers.http.http_request import HttpRequest, first_request
from taskrunner.handlers.http.network import LookupFailed, LookupTimedOut, Network
from taskrunner.handlers.http.profile_engines import ProfileEngines
from taskrunner.handlers.http.redirects import next_request
from taskrunner.handlers.http.retry_after import retry_after
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.shortage import Shortage
from taskrunner.handlers.http.ssrf_guard import DialPlan, ProxyUnresolved, SsrfGuard, TargetRefused
from taskrunner.handlers.http.target_auth import SecretMissing, TargetAuth
from taskrunner.handlers.http.token_grants import TokenUnavailable
from taskrunner.handlers.http.worker_sockets import SocketWatch

_log = logging.getLogger(__name__)
_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
# Seconds until the next attempt after one that got no token.
_TOKEN_PAUSE = 30.0
# Only where a consumer is configured differently from the process that accepted the task.
_SECRET_MISSING = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="This consumer has no secret or credential of the name that the task gives.",
)
_SECRET_NOT_FOR_HOST = FetchFailure(
    kind=OutcomeKind.BLOCKED, error="The secret or credential of the task is not for this request."
)
# The fault is not the target's, and the endpoint is likely to be back.
_NO_TOKEN = Outcome(
    kind=OutcomeKind.INTERRUPTED, retry_after=_TOKEN_PAUSE, counted=False, sent=False, of_host=False
)
_TLS_PROFILE_MISSING = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="This consumer has no TLS profile of the name that the task gives.",
)
_PROXY_UNRESOLVED = Outcome(
    kind=OutcomeKind.CONNECT_ERROR,
    error="The name of the egress proxy could not be resolved.",
    of_host=False,
)
# A record keeps the hops of every attempt: a longer URL is cut.
_MAX_HOP_URL = 1024
_CANCELLED = Outcome(kind=OutcomeKind.CANCELLED, error="The attempt was cancelled while it ran.")


class HttpHandler(Handler):
    """The handler of one worker, which keeps connections from attempt to attempt.

    All workers share one `watch`, which its owner has started: it ends cancelled and stalled attempts within
    `worker_sockets.WATCH_INTERVAL`. They should share a `network` too, which caches name look-ups, and an
    `auth`, which makes the headers that prove who asks.
    """

    def __init__(
        self,
        settings: FetchSettings,
        watch: SocketWatch,
        network: Network | None = None,
        auth: TargetAuth | None = None,
    ) -> None:
        self._settings = settings
        self._auth = auth or TargetAuth(settings)
        self._watch = watch
        self._sockets = watch.add_worker(first_byte=settings.first_byte_timeout, idle=settings.idle_timeout)
        self._network = network or Network()
        self._guard = SsrfGuard(
            settings.limits.ssrf_policy, self._network, lambda: self._sockets.cancelled, settings.proxy
        )
        self._engines = ProfileEngines(self._make_engine)
        self._engine = self._engines.get(None)
        self._lookup_seconds = 0.0
        self._sent = False
        self._hops: list[Hop] = []

    def run(self, context: AttemptContext) -> Outcome:
        started = time.monotonic()
        self._sockets.begin_attempt(context)
        self._sent = False
        self._hops = []
        try:
            outcome = self._attempt(context, started)
            if self._sent and not self._hops:
                return outcome
            return replace(outcome, sent=self._sent, hops=self._all_hops(outcome.response))
        except Exception as exc:  # noqa: BLE001 - the boundary: a worker's thread must survive everything
            found = shortage.of_exception(exc)
            return self._recover(context, exc) if found is None else self._interrupted(found)
        finally:
            self._sockets.end_attempt()
            if self._network.is_short:
                # What we keep for the next attempt is what others lack, the store among them.
                self._renew_engines()

    def close(self) -> None:
        self._engines.close()
        self._watch.remove_worker(self._sockets)

    def _first_request(self, task: Task, number: int) -> HttpRequest | Outcome:
        if task.tls is not None and task.tls not in self._settings.tls:
            return _TLS_PROFILE_MISSING
        try:
            request = first_request(task, number, self._settings)
        except ValueError:
            return _outcome(BLOCKED)
        if task.signed_by is None and task.auth is None:
            return request
        try:
            self._auth.authorize(request, task, number, time.time())
        except SecretMissing:
            return _SECRET_MISSING
        except TokenUnavailable as exc:
            return replace(_NO_TOKEN, error=str(exc))
        except ValueError:
            return _outcome(_SECRET_NOT_FOR_HOST)
        return request

    def _attempt(self, context: AttemptContext, started: float) -> Outcome:
        task, deadline = context.task, started + context.task.timeout
        request = self._first_request(task, context.number)
        if isinstance(request, Outcome):
            return request
        now = started
        while True:
            if context.cancelled:
                return _CANCELLED
            plan = self._plan_dial(request, deadline - now)
            if isinstance(plan, Outcome):
                return plan
            ready = time.monotonic()
            self._engine = self._engines.get(request.tls)
            exchange = self._engine.fetch(request, plan, deadline - ready)
            self._sent = self._sent or exchange.sent
            self._lookup_seconds = ready - now
            if self._sockets.cancelled and (self._sockets.was_shut_down or exchange.curl_code):
                return _CANCELLED
            now = time.monotonic()
            failure = diagnose(
                exchange,
                attempt=context.number,
                elapsed=now - started,
                phase=self._engine.phase,
            )
            if failure is not None:
                return self._failed(failure, exchange, request, now - started)
            if not exchange.head.redirects:
                return self._answered(exchange, request, task, now - started)
            following = next_request(request, exchange.head, self._settings.limits)
            if isinstance(following, FetchFailure):
                return self._answered(exchange, request, task, now - started, following)
            self._hops[-1:] = [_hop(request, exchange.head.status), _hop(following)]
            request = following
            if now >= deadline:
                error = f"Timed out after {task.timeout:.3g} s while following redirects."
                return Outcome(kind=OutcomeKind.TIMEOUT, error=error)

    def _all_hops(self, response: Response | None) -> tuple[Hop, ...]:
        """With the status of the last one, if it got an answer."""
        if response is None or not self._hops:
            return tuple(self._hops)
        return (*self._hops[:-1], replace(self._hops[-1], status=response.status))

    def _plan_dial(self, request: HttpRequest, time_left: float) -> DialPlan | Outcome:
        timeout = min(time_left, self._settings.connect_timeout)
        try:
            return self._guard.plan_dial(request.url, timeout)
        except TargetRefused as exc:
            return replace(_outcome(BLOCKED), refusal=exc.refusal)
        except LookupFailed:
            return _outcome(UNRESOLVED)
        except ProxyUnresolved:
            return _PROXY_UNRESOLVED
        except LookupTimedOut:
            if self._sockets.cancelled:
                return _CANCELLED
            error = f"Timed out after {timeout:.3g} s while looking up the host name."
            return Outcome(kind=OutcomeKind.TIMEOUT, error=error)

    def _answered(
        self,
        exchange: Exchange,
        request: HttpRequest,
        task: Task,
        elapsed: float,
        not_followed: FetchFailure | None = None,
    ) -> Outcome:
        """A complete answer; `not_followed` says why it is the last one although it is a redirect."""
        response = self._response(exchange, request, elapsed)
        status = exchange.head.status
        if status == HTTPStatus.UNAUTHORIZED:
            self._auth.refused(task)
        is_ok = 200 <= status < 300 or (status == 304 and request.is_conditional)
        phrase = _PHRASES.get(status, str(status))
        waits = exchange.head.values("retry-after") if exchange.head.value("retry-after") is not None else ()
        error: str | None
        kind, error = OutcomeKind.HTTP_ERROR, f"The target answered {phrase}."
        if not_followed is not None:
            kind, error = not_followed.kind, not_followed.error
        kind, error = (OutcomeKind.OK, None) if is_ok else (kind, error)
        rule, unreadable = first_match(task.rules, response) if task.rules else (None, None)
        if unreadable is not None:
            error = unreadable if error is None else f"{error} {unreadable}"
            if task.rules_unreadable is not RulesUnreadable.IGNORE:
                kind = OutcomeKind.DECODE_ERROR
        return Outcome(
            kind=kind,
            error=error,
            response=response,
            retry_after=retry_after(waits, datetime.now(UTC)) if waits else None,
            rule=rule,
            rule_unasked=unreadable is not None,
            address=self._engine.address(),
        )

    def _failed(
        self, failure: FetchFailure, exchange: Exchange, request: HttpRequest, elapsed: float
    ) -> Outcome:
        """The error, with the head of the answer as far as it was read, and no part of its body."""
        if failure.kind is OutcomeKind.BLOCKED:
            return _outcome(failure)  # even the timings could reveal what is behind the address
        if exchange.shortage is not None:
            return self._interrupted(exchange.shortage)
        address = self._engine.address()
        if exchange.head.status < 200:
            timings = self._engine.timings(self._lookup_seconds, elapsed)
            of_host = not exchange.stopped_at_proxy
            return replace(_outcome(failure), address=address, timings=timings, of_host=of_host)
        response = replace(self._response(exchange, request, elapsed), body=b"", sha256="", truncated=True)
        return replace(_outcome(failure, response), address=address)

    def _response(self, exchange: Exchange, request: HttpRequest, elapsed: float) -> Response:
        head, body = exchange.head, exchange.body
        return Response(
            status=head.status,
            headers=tuple(head.headers),
            content_type=head.value("content-type"),
            size_bytes=body.bytes.size_bytes if body is not None else 0,
            sha256=body.bytes.sha256 if body is not None else _EMPTY_SHA256,
            timings=self._engine.timings(self._lookup_seconds, elapsed),
            body=body.bytes.content if body is not None else b"",
            truncated=not head.is_complete or (body is not None and body.bytes.truncated),
            headers_truncated=exchange.headers_truncated,
            undecodable=body is not None and body.undecodable,
            url=request.url.text,
            redirects=max(0, len(self._hops) - 1),
            http_version=self._engine.http_version(),
            unchanged=head.status == 304 and request.can_get_304,
        )

    def _make_engine(self, profile: str | None) -> FetchEngine:
        return FetchEngine(self._settings, self._guard, self._network, self._sockets, profile)

    def _interrupted(self, found: Shortage) -> Outcome:
        self._network.note_shortage()
        return shortage.outcome(found)

    def _renew_engines(self) -> None:
        """Close all connections, and whatever else the engines hold open."""
        self._engines.close()
        self._engines = ProfileEngines(self._make_engine)
        self._engine = self._engines.get(None)

    def _recover(self, context: AttemptContext, exc: Exception) -> Outcome:
        """Log a bug of ours, and make new engines: the handles may be in any state.

        The attempt counts, since a task that triggers the bug each time would otherwise run for ever. The
        exception's text is left out, since it may hold a secret of the task.
        """
        name = type(exc).__name__
        where = "".join(traceback.format_tb(exc.__traceback__))
        _log.error("the fetch of task %s failed with %s\n%s", context.task.id, name, where)
        self._renew_engines()
        return Outcome(kind=OutcomeKind.INTERRUPTED, error=f"taskrunner failed internally ({name}).")


# Of no bytes, so that an answer without a body is not hashed each time.
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _outcome(failure: FetchFailure, response: Response | None = None) -> Outcome:
    return Outcome(kind=failure.kind, error=failure.error, response=response, retryable=failure.retryable)


def _hop(request: HttpRequest, status: int | None = None) -> Hop:
    url = request.url.text
    shown = url if len(url) <= _MAX_HOP_URL else f"{url[:_MAX_HOP_URL]}…"
    return Hop(method=request.method, url=shown, status=status)
