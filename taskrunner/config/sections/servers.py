"""The HTTP servers that we run, and the log."""

from typing import Annotated, Literal

from pydantic import Field

from taskrunner.api.settings import ApiSettings, ServerSettings
from taskrunner.config.sections.section import MIB, Section
from taskrunner.config.values import Bytes, Host, HostPatterns, LowerCase, Port, Seconds, SecondsOrNone

_API, _SERVER = ApiSettings(), ServerSettings()


class ServerSection(Section):
    """The health and statistics page of `consume`."""

    addr: Host = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - for containers
    port: Port = Field(8080, description='the port, also as ":8080"; 0 means any free one')


class ApiSection(Section):
    """The HTTP API of `serve`."""

    addr: Host = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - for containers
    port: Port = Field(8000, description='the port, also as ":8000"; 0 means any free one')
    hosts: HostPatterns = Field(
        _SERVER.hosts,
        description="names that clients use for it, also *.example.com; loopback and addresses always work",
    )
    max_request_bytes: Bytes = Field(
        _API.max_request_bytes,
        description="the largest request; fits the largest task body in base64",
    )
    request_timeout: Seconds = Field(
        _SERVER.request_timeout, description="a request that is not complete by then is cut off"
    )
    keepalive_timeout: Seconds = Field(
        _SERVER.keepalive_timeout,
        description="for an idle connection; longer than the 60 of proxies, so that they close it first",
    )
    shutdown_grace: SecondsOrNone = Field(
        _SERVER.shutdown_grace, description="how long requests may go on after SIGTERM"
    )
    max_connections: int = Field(
        _SERVER.max_connections,
        ge=1,
        le=100_000,
        description="open at a time; the usual limit of a process is 1024 file descriptors",
    )
    inline_body_bytes: int = Field(
        _API.inline_body_bytes,
        ge=0,
        le=MIB,
        description="a fetched text of up to this size is part of the task's JSON",
    )


class LoggerSection(Section):
    """The log, which goes to stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], LowerCase] = Field(
        "info", description="debug, info, warning or error; info has one line per attempt"
    )
    format: Annotated[Literal["auto", "json", "console"], LowerCase] = Field(
        "auto", description="json or console; auto means console on a terminal, else json"
    )
