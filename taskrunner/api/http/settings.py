"""The limits of an HTTP server and of the API's routes."""

from dataclasses import dataclass

from taskrunner.domain.masking import Masking
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.runtime.server_certificate import CertificateFiles
from taskrunner.version import USER_AGENT

_REQUEST_TIMEOUT = 10.0
MAX_CONNECTIONS = 2500


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """The limits of a server; durations are seconds.

    `request_timeout`: a request's headers, and then its body, must each be complete this soon after their
    first byte, those of the first request this soon after the connection was accepted, TLS handshake
    included; a client may also read nothing of an answer for this long. `keepalive_timeout` is longer than
    the 60 s of common proxies, so that they close idle connections first. `shutdown_grace`: how long requests
    in flight may continue after `stop`. `hosts` are the names that clients may ask for, beside loopback and
    addresses. `trusted_proxies` are the networks of the proxies whose `Forwarded` headers are believed.
    `public_url` is how clients reach the server, for links. `cors` are the origins of other sites whose pages
    may use it from a browser. With `cert_file` it speaks TLS; see
    `CertificateFiles`.
    """

    request_timeout: float = _REQUEST_TIMEOUT
    keepalive_timeout: float = 75.0
    shutdown_grace: float = 10.0
    max_url_bytes: int = TaskLimits().max_url_bytes
    max_header_bytes: int = 16 * 1024
    max_headers: int = 100
    # Each is an open file; there are fewer where the limit of the process does not allow so many.
    max_connections: int = MAX_CONNECTIONS
    backlog: int = 1024
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    public_url: str | None = None
    cors: tuple[str, ...] = ()
    cert_file: str | None = None
    key_file: str | None = None
    client_ca_file: str | None = None

    @property
    def certificate(self) -> CertificateFiles | None:
        """None for a server without TLS."""
        if self.cert_file is None:
            return None
        return CertificateFiles(cert=self.cert_file, key=self.key_file, client_ca=self.client_ca_file)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSettings:
    """The limits of the routes; durations are seconds.

    `max_request_bytes` has room for the largest body of a task in base64, `max_batch_bytes` for many tasks. A
    fetched text of up to `inline_body_bytes` is part of the task's JSON; a larger one is at its `body_url`.
    A client may wait up to `max_wait` for a result. In this process at most `max_waits` do so at a time,
    `max_waits_per_key` of one key, and there are at most `max_streams` of events, `max_streams_per_key` of
    one key; both together take at most four fifths of `max_connections`. `max_result_bytes` is that of a
    worker's result. `user_agent` is what consumers send by default; `masking` hides what may be secret.
    """

    request_timeout: float = _REQUEST_TIMEOUT
    max_request_bytes: int = 512 * 1024
    max_batch_bytes: int = 16 * 1024 * 1024
    inline_body_bytes: int = 64 * 1024
    max_wait: float = 60.0
    max_waits: int = 1000
    max_waits_per_key: int = 100
    max_streams: int = 1000
    max_streams_per_key: int = 100
    max_connections: int = MAX_CONNECTIONS
    max_result_bytes: int = 1024 * 1024
    user_agent: str = USER_AGENT
    masking: Masking = Masking()
