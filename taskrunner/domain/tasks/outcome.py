"""An outcome: how one attempt ended, as the handler reports it."""

from enum import StrEnum

from taskrunner.domain.targets.ssrf_policy import DialRefusal
from taskrunner.domain.value import Value


class OutcomeKind(StrEnum):
    """Every attempt ends in exactly one of these."""

    OK = "ok"
    HTTP_ERROR = "http_error"
    TIMEOUT = "timeout"
    CONNECT_ERROR = "connect_error"
    DNS_ERROR = "dns_error"
    TLS_ERROR = "tls_error"
    PROTOCOL_ERROR = "protocol_error"
    TOO_LARGE = "too_large"
    TOO_MANY_REDIRECTS = "too_many_redirects"
    BLOCKED = "blocked"
    DECODE_ERROR = "decode_error"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    SNOOZED = "snoozed"
    HANDLER_ERROR = "handler_error"


class Timings(Value, omit_defaults=False):
    """Seconds from the start of the attempt's last request; `total` covers all redirects."""

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    total: float = 0.0


class Response(Value):
    """The final answer of the target, or what a handler returned, as JSON: without `status`, headers and URL.

    `size_bytes` and `sha256` (hex) are those of the whole decoded body; `body` is its beginning, up to the
    configured size, and `truncated` says whether there was more. `undecodable`: the Content-Encoding is
    wrong, cut, unknown or of a partial answer, and all this is about the body as it came. `url` is the last
    URL after redirects. `unchanged`: the request asked for a newer version, and there is none (RFC 9110
    15.4.5). `headers_truncated`: there were more headers than are kept.
    """

    status: int | None = None
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    size_bytes: int = 0
    sha256: str = ""
    timings: Timings = Timings()
    body: bytes = b""
    truncated: bool = False
    undecodable: bool = False
    headers_truncated: bool = False
    url: str = ""
    redirects: int = 0
    http_version: str = "1.1"
    unchanged: bool = False


class Hop(Value):
    """One request of an attempt that was redirected, and the status of its answer; None without an answer."""

    method: str
    url: str
    status: int | None = None


class Outcome(Value):
    """The end of one attempt. `error` is a sentence for users; a success has one if a rule was not asked.

    - `retry_after`: the Retry-After of the target, in seconds, or our own pause after an uncounted attempt.
    - `due_in`: the seconds until the next attempt, if the handler has decided them.
    - `retryable`: overrules the kind; None leaves the decision to the kind.
    - `counted`: False if a fault of ours or a snooze ended the attempt, which must not use one up.
    - `shortage`: this machine had too little of something, which `error` names.
    - `sent`: False if the target certainly has not processed the request.
    - `rule`: the index of the task's rule that holds for the answer.
    - `rule_unasked`: a rule before `rule`, or any, needs a document that cannot be read; `error` says why.
    - `address`: the `host:port` that was dialled; never that of a refused target.
    - `timings`: set if there is no response, which has its own.
    - `hops`: all requests of an attempt that was redirected, in order; empty for a single request.
    - `refusal`: why the SSRF guard refused a target: for metrics only, never for whoever submitted the task.
    - `of_host`: False if the egress proxy failed, which says nothing about the host.
    """

    kind: OutcomeKind
    error: str | None = None
    response: Response | None = None
    retry_after: float | None = None
    due_in: float | None = None
    retryable: bool | None = None
    counted: bool = True
    shortage: bool = False
    sent: bool = True
    rule: int | None = None
    rule_unasked: bool = False
    address: str | None = None
    timings: Timings | None = None
    hops: tuple[Hop, ...] = ()
    refusal: DialRefusal | None = None
    of_host: bool = True
