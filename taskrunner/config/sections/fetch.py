"""How a URL is fetched."""

from typing import Annotated

from pydantic import Field

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
    UserAgent,
)
from taskrunner.version import __version__


class Fetch(Section):
    """How the built-in handler fetches a URL."""

    timeout: Seconds = Field(30.0, description="for one attempt, redirects included, unless the task says so")
    connect_timeout: Seconds = Field(10.0, description="the part of it that a connection may take")
    first_byte_timeout: Seconds = Field(
        300.0, description="the part of it until an answer begins, connecting included"
    )
    idle_timeout: Seconds = Field(60.0, description="the part of it that an answer may stand still")
    max_body_bytes: Bytes = Field(64 * MIB, description="decoded bytes read at most; ends bombs and streams")
    store_body_bytes: int = Field(
        MIB, ge=0, le=64 * MIB, description="the beginning of a body that is kept; the rest is only hashed"
    )
    max_header_bytes: int = Field(64 * KIB, ge=KIB, le=MIB, description="ends floods of response headers")
    max_redirects: int = Field(5, ge=0, le=50, description="hops to follow; 0 takes a redirect as the answer")
    user_agent: UserAgent = Field(f"taskrunner/{__version__}", description="unless the task has its own")
    http2: bool = Field(True, description="offered to targets over TLS, which choose by ALPN")
    tls: TlsProfiles = Field(
        {}, description="by name: ca_file, cert_file, key_file, key_password_file, hosts; see the README"
    )
    proxy: Annotated[ProxyUrl | None, Secret()] = Field(
        None,
        repr=False,
        description="http(s)://[user:password@]host:port, for all fetches, by CONNECT; also as proxy_file",
    )
    proxy_resolves: bool = Field(
        False, description="it looks up names and judges addresses; else we do, and it gets addresses"
    )
    mask_headers: HeaderNames = Field(
        (),
        description="further headers whose values are never shown, as those of Authorization and its kin",
    )
    allow_private: Exceptions = Field(
        (), description="private networks, addresses or hosts that tasks may reach; by default none"
    )
    allow_loopback: bool = Field(
        False, description="tasks may reach this machine's loopback on any port; `dev` sets it"
    )
    ports: Ports = Field((80, 443, 8080, 8443), description="the ports that tasks may reach")
