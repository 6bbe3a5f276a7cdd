"""What one attempt came to: the handler's answer, before anybody has judged it."""

from enum import StrEnum

from taskrunner.domain.value import Value


class OutcomeKind(StrEnum):
    """The closed taxonomy: every attempt ends in exactly one of these."""

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


class Timings(Value):
    """Seconds from the start of the attempt's last exchange; `total` covers all hops."""

    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    first_byte: float = 0.0
    total: float = 0.0


class Response(Value):
    """The final answer of the target.

    `size_bytes` and `sha256` (hex) are of the whole decoded body; `body` is its beginning, up to the
    configured cap, and `truncated` says that there was more. `url` is where the last redirect led.
    `unchanged`: we had asked for what is newer, and there is nothing (RFC 9110 15.4.5).
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content_type: str | None = None
    size_bytes: int = 0
    sha256: str = ""
    timings: Timings = Timings()
    body: bytes = b""
    truncated: bool = False
    url: str = ""
    redirects: int = 0
    http_version: str = "1.1"
    unchanged: bool = False


class Outcome(Value):
    """One attempt's end. `error` is a sentence for people, None when all went well.

    `retry_after` is the target's own wish in seconds. `retryable` overrules what the kind would say (None:
    the kind decides). `counted` is False when the attempt ended through a fault of ours, which must not use
    up the task's attempts. `sent` is False when surely no target has looked at a request; it says nothing of
    requests that may be sent twice without harm. `rule` is the place of the task's rule that holds for the
    answer. `address` is where it was dialled, `host:port`, and never that of a refused target. `timings` are
    there when there is no response to have them. `of_host` is False when the fault was found at the egress
    proxy, and so tells nothing of the host.
    """

    kind: OutcomeKind
    error: str | None = None
    response: Response | None = None
    retry_after: float | None = None
    retryable: bool | None = None
    counted: bool = True
    sent: bool = True
    rule: int | None = None
    address: str | None = None
    timings: Timings | None = None
    of_host: bool = True
