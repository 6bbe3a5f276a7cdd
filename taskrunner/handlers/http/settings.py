"""The settings of the fetch: what every attempt keeps to, whatever its task asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

from taskrunner.domain.targets.credential import Credential, SigningSecret
from taskrunner.domain.targets.tls_profile import TlsProfile
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.version import USER_AGENT

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustStore:
    """A folder or a file of trusted certificates (PEM). With neither, libcurl's built-in default applies."""

    folder: str | None = None
    file: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EgressProxy:
    """An HTTP proxy that is asked to CONNECT, for http and https alike.

    With CONNECT, an answer of the proxy's own is never taken for one of the target. With `scheme` https the
    connection to the proxy is encrypted too, and its certificate is verified like a target's.

    With `resolves`, the proxy gets host names and decides which addresses they may lead to. Otherwise names
    are looked up and checked here, and the proxy gets a checked address.
    """

    host: str
    port: int
    scheme: str = "http"
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    resolves: bool = False

    @classmethod
    def from_url(cls, url: str, *, resolves: bool) -> Self:
        """The configuration has already validated the URL."""
        parts = urlsplit(url)
        return cls(
            host=parts.hostname or "",
            port=parts.port or _DEFAULT_PORTS[parts.scheme],
            scheme=parts.scheme,
            user=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            resolves=resolves,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """Durations are seconds; the task's own timeout bounds them all.

    `first_byte_timeout` runs from the start of a request to the first byte of its answer, connecting
    included. `idle_timeout` runs between two bytes of an answer.

    `max_body_bytes` bounds a body, both on the wire and decoded; beyond it the outcome is `too_large`. The
    first `store_body_bytes` are kept, the rest is only counted and hashed. `max_header_bytes` bounds what is
    kept of the head of one answer. `http2` is offered to targets over TLS, except to `http1_hosts`
    (patterns). `trust` applies to targets whose TLS profile has no `ca_file`.

    With a `proxy`, nothing else is dialled. `tls` holds the TLS profiles by name, `key_passwords` the
    passwords of their keys. `limits.ssrf_policy` says which targets are allowed. `secrets` sign callbacks,
    `credentials` are what tasks may send; `issuer` is that of tokens.
    """

    connect_timeout: float = 10.0
    first_byte_timeout: float = 300.0
    idle_timeout: float = 60.0
    max_body_bytes: int = 64 * 1024 * 1024
    store_body_bytes: int = 1024 * 1024
    max_header_bytes: int = 64 * 1024
    max_redirects: int = 5
    user_agent: str = USER_AGENT
    http2: bool = True
    http1_hosts: tuple[str, ...] = ()
    trust: TrustStore = TrustStore()
    limits: TaskLimits = TaskLimits()
    proxy: EgressProxy | None = None
    tls: Mapping[str, TlsProfile] = field(default_factory=dict)
    key_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, SigningSecret] = field(default_factory=dict, repr=False)
    credentials: Mapping[str, Credential] = field(default_factory=dict, repr=False)
    issuer: str | None = None
