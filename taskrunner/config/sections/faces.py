"""What shows us to others: the pages that we serve, and the log."""

from typing import Annotated, Literal

from pydantic import Field

from taskrunner.config.sections.section import KIB, MIB, Section
from taskrunner.config.values import Bytes, Host, LowerCase, Port, Seconds, SecondsOrNone


class Server(Section):
    """The health and statistics page of `consume`."""

    addr: Host = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - for containers
    port: Port = Field(8080, description='the port, also as ":8080"; 0 is any free one')


class Api(Section):
    """The HTTP API of `serve`."""

    addr: Host = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - for containers
    port: Port = Field(8000, description='the port, also as ":8000"; 0 is any free one')
    max_body_bytes: Bytes = Field(
        512 * KIB, description="a request; has room for the largest task body in base64"
    )
    request_timeout: Seconds = Field(10.0, description="a request that is not complete by then is cut off")
    keepalive_timeout: Seconds = Field(
        75.0, description="an idle connection; over the 60 of common proxies: they close it"
    )
    shutdown_grace: SecondsOrNone = Field(10.0, description="requests may end in this time on SIGTERM")
    max_connections: int = Field(
        900, ge=1, le=100_000, description="open ones; 1024 file descriptors are the usual limit of a process"
    )
    inline_body_bytes: int = Field(
        64 * KIB, ge=0, le=MIB, description="a fetched text up to this size stands in the task's own JSON"
    )


class Logger(Section):
    """The log, which goes to stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], LowerCase] = Field(
        "info", description="debug, info, warning or error; info has one line per attempt"
    )
    format: Annotated[Literal["auto", "json", "console"], LowerCase] = Field(
        "auto", description="json or console; auto is console on a terminal"
    )
