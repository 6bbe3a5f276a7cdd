"""The handler: runs a task's attempt as a chain of hops and turns its end into an outcome."""

import logging
import time
import traceback
from datetime import UTC, datetime
from http import HTTPStatus

from taskrunner.domain.outcome import Outcome, OutcomeKind, Response
from taskrunner.domain.rules import Rules, first_match
from taskrunner.domain.value import replace
from taskrunner.handlers.base import AttemptContext, Handler
from taskrunner.handlers.http.diagnosis import diagnose
from taskrunner.handlers.http.exchange import Exchange
from taskrunner.handlers.http.fetch_engine import FetchEngine
from taskrunner.handlers.http.fetch_failure import BLOCKED, UNRESOLVED, FetchFailure
from taskrunner.handlers.http.network import LookupFailed, LookupTimedOut, Network
from taskrunner.handlers.http.profile_engines import ProfileEngines
from taskrunner.handlers.http.redirects import next_request
from taskrunner.handlers.http.request import Request, first_request, sign
from taskrunner.handlers.http.response_body import BodyError
from taskrunner.handlers.http.retry_after import retry_after
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.ssrf_guard import DialPlan, ProxyUnknown, SsrfGuard, TargetRefused
from taskrunner.handlers.http.worker_sockets import SocketWatch

_log = logging.getLogger(__name__)
_PHRASES = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_UNSIGNED = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="This consumer has no secret by the name that is to sign the callback.",
)
_NO_PROFILE = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="This consumer has no TLS profile by the name that the task gives.",
)
_NO_PROXY = Outcome(
    kind=OutcomeKind.CONNECT_ERROR,
    error="The name of the egress proxy could not be resolved.",
    of_host=False,
)
_CANCELLED = Outcome(kind=OutcomeKind.CANCELLED, error="The attempt was cancelled while it ran.")


class HttpHandler(Handler):
    """One worker's fetch, with connections that are kept from attempt to attempt.

    `watch` cuts the connections of cancelled attempts; all workers share one, which its owner has started.
    They should share a `network` as well, which keeps the host names that were looked up. A cancel takes
    effect within `line.WATCH_INTERVAL`.
    """

    def __init__(self, policy: FetchSettings, watch: SocketWatch, network: Network | None = None) -> None:
        self._policy = policy
        self._watch = watch
        self._line = watch.open_sockets(first_byte=policy.first_byte_timeout, idle=policy.idle_timeout)
        self._network = network or Network()
        self._guard = SsrfGuard(
            policy.limits.ssrf_policy, self._network, lambda: self._line.cancelled, policy.proxy
        )
        self._engines = ProfileEngines(self._make_engine)
        self._engine = self._engines.get(None)
        self._lookup_seconds = 0.0
        self._sent = False

    def run(self, context: AttemptContext) -> Outcome:
        started = time.monotonic()
        self._line.begin(context)
        self._sent = False
        try:
            outcome = self._attempt(context, started)
            return outcome if self._sent else replace(outcome, sent=False)
        except Exception as exc:  # noqa: BLE001 - the boundary: a worker's thread must survive everything
            return self._recover(context, exc)
        finally:
            self._line.end()

    def close(self) -> None:
        self._engines.close()
        self._watch.close_sockets(self._line)

    def _attempt(self, context: AttemptContext, started: float) -> Outcome:
        task, deadline = context.task, started + context.task.timeout
        if task.tls is not None and task.tls not in self._policy.tls:
            return _NO_PROFILE
        try:
            request = first_request(task, context.number, self._policy)
            sign(request, task, self._policy, int(time.time()))
        except ValueError:
            return _outcome(BLOCKED)
        except KeyError:
            return _UNSIGNED
        now = started
        for redirects in range(self._policy.max_redirects + 1):
            if context.cancelled:
                return _CANCELLED
            route = self._find_route(request, deadline - now)
            if isinstance(route, Outcome):
                return route
            ready = time.monotonic()
            self._engine = self._engines.get(request.tls)
            exchange = self._engine.fetch(request, route, deadline - ready)
            self._sent = self._sent or exchange.sent
            self._lookup_seconds = ready - now
            if self._line.cancelled and (self._line.was_cut or exchange.code):
                return _CANCELLED
            now = time.monotonic()
            failure = diagnose(
                exchange,
                self._policy,
                attempt=context.number,
                elapsed=now - started,
                phase=self._engine.phase,
            )
            if failure is not None:
                return self._failed(failure, exchange, request, redirects, now - started)
            if not exchange.head.redirects:
                return self._answered(exchange, request, task.rules, redirects, now - started)
            following = next_request(request, exchange.head, self._policy.limits)
            if isinstance(following, FetchFailure):
                return _outcome(following, self._response(exchange, request, redirects, now - started))
            request = following
            if now >= deadline:
                return _outcome(_timed_out(task.timeout))
        return _outcome(
            FetchFailure(
                kind=OutcomeKind.TOO_MANY_REDIRECTS,
                error=f"The target redirected more than {self._policy.max_redirects} times.",
            )
        )

    def _find_route(self, request: Request, left: float) -> DialPlan | Outcome:
        patience = min(left, self._policy.connect_timeout)
        try:
            return self._guard.plan_dial(request.url, patience)
        except TargetRefused:
            return _outcome(BLOCKED)
        except LookupFailed:
            return _outcome(UNRESOLVED)
        except ProxyUnknown:
            return _NO_PROXY
        except LookupTimedOut:
            if self._line.cancelled:
                return _CANCELLED
            error = f"Timed out after {patience:.3g} s while looking up the host name."
            return Outcome(kind=OutcomeKind.TIMEOUT, error=error)

    def _answered(
        self, exchange: Exchange, request: Request, rules: Rules, redirects: int, elapsed: float
    ) -> Outcome:
        response = self._response(exchange, request, redirects, elapsed)
        is_ok = 200 <= response.status < 300 or (response.status == 304 and request.is_conditional)
        told = _PHRASES.get(response.status, str(response.status))
        wishes = exchange.head.values("retry-after") if exchange.head.value("retry-after") is not None else ()
        return Outcome(
            kind=OutcomeKind.OK if is_ok else OutcomeKind.HTTP_ERROR,
            error=None if is_ok else f"The target answered {told}.",
            response=response,
            retry_after=retry_after(wishes, datetime.now(UTC)) if wishes else None,
            rule=first_match(rules, response) if rules else None,
            address=self._engine.address(),
        )

    def _failed(
        self, failure: FetchFailure, exchange: Exchange, request: Request, redirects: int, elapsed: float
    ) -> Outcome:
        """An answer that was given up half-way is shown by its head, without what came of its body."""
        if failure.kind is OutcomeKind.BLOCKED:
            return _outcome(failure)  # nothing tells what is behind the address, not even the time it took
        address = self._engine.address()
        if exchange.body is None or exchange.body.trouble not in {
            BodyError.TOO_LARGE,
            BodyError.BROKEN_CODING,
        }:
            timings = self._engine.timings(self._lookup_seconds, elapsed)
            of_host = not exchange.stopped_at_proxy
            return replace(_outcome(failure), address=address, timings=timings, of_host=of_host)
        response = replace(
            self._response(exchange, request, redirects, elapsed), body=b"", sha256="", truncated=True
        )
        return replace(_outcome(failure, response), address=address)

    def _response(self, exchange: Exchange, request: Request, redirects: int, elapsed: float) -> Response:
        head, body = exchange.head, exchange.body
        return Response(
            status=head.status,
            headers=tuple(head.headers),
            content_type=head.value("content-type"),
            size_bytes=body.size_bytes if body is not None else 0,
            sha256=body.sha256 if body is not None else _EMPTY_SHA256,
            timings=self._engine.timings(self._lookup_seconds, elapsed),
            body=body.content if body is not None else b"",
            truncated=body is not None and body.truncated,
            url=request.url.text,
            redirects=redirects,
            http_version=self._engine.http_version(),
            unchanged=head.status == 304 and request.asks_for_newer,
        )

    def _make_engine(self, profile: str | None) -> FetchEngine:
        return FetchEngine(self._policy, self._guard, self._network, self._line, profile)

    def _recover(self, context: AttemptContext, exc: Exception) -> Outcome:
        """Tell of a fault of ours, and start afresh: the handle may be in any state.

        The attempt counts, although the fault is ours: one that a task provokes each time would otherwise
        be repeated for ever. The exception's text is left out, since it may hold a secret of the task.
        """
        name = type(exc).__name__
        where = "".join(traceback.format_tb(exc.__traceback__))
        _log.error("the fetch of task %s failed with %s\n%s", context.task.id, name, where)
        self._engines.close()
        self._engines = ProfileEngines(self._make_engine)
        self._engine = self._engines.get(None)
        return Outcome(kind=OutcomeKind.INTERRUPTED, error=f"taskrunner failed by itself ({name}).")


# Of no bytes at all, so that an answer without a body is not hashed each time.
_EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def _timed_out(timeout: float) -> FetchFailure:
    return FetchFailure(
        kind=OutcomeKind.TIMEOUT, error=f"Timed out after {timeout:.3g} s while following redirects."
    )


def _outcome(failure: FetchFailure, response: Response | None = None) -> Outcome:
    return Outcome(kind=failure.kind, error=failure.error, response=response, retryable=failure.retryable)
