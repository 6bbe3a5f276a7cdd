"""How a URL is fetched."""

from typing import Annotated, Any

from pydantic import Field

from taskrunner.config.credentials import Credentials, Issuer
from taskrunner.config.sections.section import KIB, MIB, Section
from taskrunner.config.tls_profiles import TlsProfiles
from taskrunner.config.values import (
    Bytes,
    Exceptions,
    HeaderNames,
    Ports,
    ProxyUrl,
    Seconds,
    Secret,
    TargetPatterns,
    UserAgent,
)
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.task_settings import TaskDefaults
from taskrunner.handlers.http.settings import FetchSettings

_FETCH, _SSRF = FetchSettings(), SsrfPolicy()
# Of a credential.
_SHOWN = {"subject", "audience", "token_url", "client_id", "client_auth", "scope"}


class FetchSection(Section):
    """How the built-in handler fetches a URL."""

    timeout: Seconds = Field(
        TaskDefaults().timeout, description="for one attempt, redirects included, unless the task says so"
    )
    connect_timeout: Seconds = Field(
        _FETCH.connect_timeout, description="how much of the timeout connecting may take"
    )
    first_byte_timeout: Seconds = Field(
        _FETCH.first_byte_timeout,
        description="the longest wait for the first byte of the answer, connecting included",
    )
    idle_timeout: Seconds = Field(
        _FETCH.idle_timeout, description="the longest silence between two bytes of an answer"
    )
    max_body_bytes: Bytes = Field(
        _FETCH.max_body_bytes, description="the longest body, also decoded; stops bombs and endless streams"
    )
    store_body_bytes: int = Field(
        _FETCH.store_body_bytes,
        ge=0,
        le=64 * MIB,
        description="this much of a body is stored; the rest is only hashed",
    )
    max_header_bytes: int = Field(
        _FETCH.max_header_bytes, ge=KIB, le=MIB, description="this much of a response's headers is kept"
    )
    max_redirects: int = Field(
        _FETCH.max_redirects,
        ge=0,
        le=50,
        description="redirects to follow; 0: none, the redirect is the answer",
    )
    user_agent: UserAgent = Field(_FETCH.user_agent, description="unless the task has its own")
    http2: bool = Field(_FETCH.http2, description="offered to targets over TLS, which choose by ALPN")
    http1_hosts: TargetPatterns = Field(
        _FETCH.http1_hosts, description="hosts that are not offered HTTP/2, such as *.example.com"
    )
    tls: TlsProfiles = Field(
        {},
        description="by name: ca_file, cert_file, key_file, key_password_file, hosts (docs/configuration.md)",
    )
    credentials: Annotated[Credentials, Secret()] = Field(
        {},
        repr=False,
        description="by name: hosts; keys, key_file or token_url (docs/tasks.md); also as credentials_file",
    )
    issuer: Issuer | None = Field(
        _FETCH.issuer,
        description="the https URL of the API, `iss` of the tokens of credentials with a key_file",
    )
    proxy: Annotated[ProxyUrl | None, Secret()] = Field(
        None,
        repr=False,
        description="http(s)://[user:password@]host:port, for all fetches, by CONNECT; also as proxy_file",
    )
    proxy_resolves: bool = Field(
        False, description="true: the proxy resolves names and checks addresses; false: we do"
    )
    mask_headers: HeaderNames = Field(
        (), description="more headers whose values are masked, beside Authorization and others"
    )
    allow_private: Exceptions = Field(
        _SSRF.allow_private,
        description="private networks, addresses or hosts that tasks may reach; by default none",
    )
    allow_loopback: bool = Field(
        _SSRF.allow_loopback,
        description="tasks may reach this machine's loopback on any port; `dev` sets this",
    )
    ports: Ports = Field(_SSRF.ports, description="the ports that tasks may reach")

    def redacted(self) -> dict[str, Any]:
        """Of credentials, what they are for is shown."""
        values = super().redacted()
        for name, credential in self.credentials.items():
            shown = values["credentials"][name]
            shown["hosts"] = list(credential.hosts)
            shown |= {key: getattr(credential, key) for key in _SHOWN & shown.keys()}
        return values
