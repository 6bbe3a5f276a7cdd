"""The limits of an HTTP server and of the API's routes."""

from dataclasses import dataclass

from taskrunner.domain.masking import Masking
from taskrunner.version import __version__


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The limits of a server; durations are seconds.

    `request_timeout`: a request's headers, and then its body, must each be complete this soon after their
    first byte; a client may also read nothing of an answer for this long. `keepalive_timeout` is longer than
    the 60 s of common proxies, so that they close idle connections first. `shutdown_grace`: how long requests
    in flight may continue after `stop`.
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
    """The limits of the routes; durations are seconds.

    `max_request_bytes` of None is the size of a task whose body, URL, headers and labels are each as large as
    allowed. `inline_body_bytes`: a fetched text up to this size is part of the task's JSON, a larger one is
    only at `body_url`. `user_agent` is what consumers send by default.
    """

    request_timeout: float = 10.0
    max_request_bytes: int | None = None
    inline_body_bytes: int = 64 * 1024
    user_agent: str = f"taskrunner/{__version__}"
    masking: Masking = Masking()
