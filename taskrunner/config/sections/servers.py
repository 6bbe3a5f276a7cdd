"""The HTTP servers that we run, and the log."""

from typing import Annotated, Literal

from pydantic import Field

from taskrunner.api.auth.access_settings import AccessSettings, Auth
from taskrunner.api.http.settings import ApiSettings, ServerSettings
from taskrunner.config.api_keys import ApiKeys
from taskrunner.config.sections.section import DAY, MIB, Section
from taskrunner.config.values import (
    Bytes,
    Host,
    HostPatterns,
    LowerCase,
    Port,
    Seconds,
    SecondsOrNone,
    Secret,
)
from taskrunner.config.web_values import Networks, Origins, PublicUrl
from taskrunner.domain.duration_field import Duration
from taskrunner.domain.keys.console_session import SessionSettings
from taskrunner.grpc.settings import GrpcSettings

_API, _SERVER, _ACCESS, _SESSION = ApiSettings(), ServerSettings(), AccessSettings(), SessionSettings()
_GRPC = GrpcSettings()


class ServerSection(Section):
    """The health and statistics page of `consume`."""

    addr: Host = Field("0.0.0.0", description="the address to listen on")  # noqa: S104 - for probes
    port: Port = Field(8080, description='the port, also as ":8080"; 0 means any free one')


class ApiSection(Section):
    """The HTTP API of `serve`."""

    addr: Host = Field("127.0.0.1", description="the address to listen on; beyond loopback it needs keys")
    port: Port = Field(8000, description='the port, also as ":8000"; 0 means any free one')
    auth: Annotated[Auth, LowerCase] = Field(
        _ACCESS.auth,
        description="keys: each request needs one, unless there is none yet on loopback; loopback: nobody on "
        "loopback needs one; none: nobody",
    )
    keys: Annotated[ApiKeys, Secret()] = Field(
        {},
        repr=False,
        description="NAME: tr_… and its scopes (all by default) and limits, beside the stored ones; also as "
        "keys_file",
    )
    session_idle_timeout: Annotated[Seconds, Field(ge=60)] = Field(
        _SESSION.session_idle_timeout, description="a session of the console ends after this long without use"
    )
    session_lifetime: Annotated[Duration, Field(ge=60, le=90 * DAY)] = Field(
        _SESSION.session_lifetime, description="a session of the console ends this long after its login"
    )
    hosts: HostPatterns = Field(
        _SERVER.hosts,
        description="names that clients use for it, also *.example.com; loopback and addresses always work",
    )
    trusted_proxies: Networks = Field(
        _SERVER.trusted_proxies,
        description="networks of the proxies whose Forwarded and X-Forwarded-* headers are believed",
    )
    public_url: PublicUrl | None = Field(
        _SERVER.public_url, description="how clients reach it, for links: https://example.com/queue"
    )
    cors: Origins = Field(
        _SERVER.cors,
        description="origins whose pages may use it from a browser, with a key: https://app.example.com",
    )
    cert_file: str | None = Field(
        _SERVER.cert_file, max_length=4096, description="the certificate and its chain in PEM; turns on TLS"
    )
    key_file: str | None = Field(
        _SERVER.key_file, max_length=4096, description="its key, unless it is in cert_file"
    )
    client_ca_file: str | None = Field(
        _SERVER.client_ca_file,
        max_length=4096,
        description="authorities in PEM, one of which must have signed the certificate of each client",
    )
    max_request_bytes: Bytes = Field(
        _API.max_request_bytes,
        description="the largest request; fits the largest task body in base64",
    )
    max_batch_bytes: Bytes = Field(
        _API.max_batch_bytes, description="the largest POST /tasks/batch, of which each task is a request"
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
        description="open at a time; fewer if the limit of open files does not allow so many",
    )
    inline_body_bytes: int = Field(
        _API.inline_body_bytes,
        ge=0,
        le=MIB,
        description="a fetched text of up to this size is part of the task's JSON",
    )
    max_wait: Seconds = Field(
        _API.max_wait,
        description="the longest wait of a client for a result (Prefer: wait) or for tasks to lease",
    )
    max_waits: int = Field(
        _API.max_waits, ge=0, le=100_000, description="at a time; others are answered at once"
    )
    max_waits_per_key: int = Field(
        _API.max_waits_per_key, ge=0, le=100_000, description="of one API key; others are answered at once"
    )
    max_streams: int = Field(
        _API.max_streams, ge=0, le=100_000, description="streams of events at a time; others get 503"
    )
    max_streams_per_key: int = Field(
        _API.max_streams_per_key, ge=0, le=100_000, description="of one API key; others get 429"
    )


class GrpcSection(Section):
    """The gRPC API of `serve`, with the keys, the certificate and the limits of `Api`."""

    enabled: bool = Field(True, description="whether to serve it")
    addr: Host = Field("127.0.0.1", description="the address to listen on; beyond loopback it needs keys")
    port: Port = Field(50051, description='the port, also as ":50051"; 0 means any free one')
    keepalive: Annotated[Seconds, Field(ge=10)] = Field(
        _GRPC.keepalive,
        description="a connection that was silent for this long is checked with a ping",
    )
    max_streams_per_connection: int = Field(
        _GRPC.max_streams_per_connection, ge=1, le=100_000, description="calls at a time on one connection"
    )


class MonitorSection(Section):
    """Health and statistics, on both servers."""

    auth: Annotated[Literal["keys", "none"], LowerCase] = Field(
        "keys",
        description="who sees /stats, /metrics and the details of /health: those whose key may read:all, or "
        "everybody",
    )


class LoggerSection(Section):
    """The log, which goes to stderr."""

    level: Annotated[Literal["debug", "info", "warning", "error"], LowerCase] = Field(
        "info", description="debug, info, warning or error; info has one line per attempt"
    )
    format: Annotated[Literal["auto", "json", "logfmt", "console"], LowerCase] = Field(
        "auto", description="json, logfmt or console; auto means console on a terminal, else json"
    )
