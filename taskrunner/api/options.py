"""The settings of an HTTP server of ours, with the reason for each default."""

from dataclasses import dataclass

from taskrunner.domain.masking import Masking
from taskrunner.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The bounds of a server; durations are seconds.

    `request_timeout`: a request's headers, and then its body, must each be complete this soon after their
    first byte; it is also for how long a client may read nothing of our answer. `keepalive_timeout` is longer
    than the 60 s for which common proxies keep an idle connection, so that they are the ones to close it.
    `shutdown_grace`: how long requests in flight may go on after `stop`.
    """

    request_timeout: float = 10.0
    keepalive_timeout: float = 75.0
    shutdown_grace: float = 10.0
    max_url_bytes: int = 8 * 1024
    max_header_bytes: int = 16 * 1024
    max_headers: int = 100
    # Each connection is a file descriptor, and 1,024 of them is the usual limit of a process.
    max_connections: int = 900
    backlog: int = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiOptions:
    """The bounds of the routes; durations are seconds.

    `max_request_bytes` of None follows from the limits on a task: a body, URL, headers and labels that
    are each as large as they may be. `inline_body_bytes`: a fetched text up to this size stands in the
    task's own JSON, a larger one is behind `body_url`. `user_agent` is what consumers send by default.
    """

    request_timeout: float = 10.0
    max_request_bytes: int | None = None
    inline_body_bytes: int = 64 * 1024
    user_agent: str = f"taskrunner/{__version__}"
    masking: Masking = Masking()
