"""What every fetch has to keep to, whatever a task asks for."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from taskrunner.domain.task_limits import TaskLimits
from taskrunner.domain.tls_profile import TlsProfile
from taskrunner.handlers.http.proxy import Proxy
from taskrunner.handlers.http.trust_store import TrustStore
from taskrunner.version import USER_AGENT


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchSettings:
    """The settings of the fetch. Durations are seconds; the task's own timeout bounds them all.

    `first_byte_timeout` is from the start of a request to the first byte of its answer, connecting included;
    `idle_timeout` is between two bytes of an answer.

    `max_body_bytes` bounds what is read of a body, on the wire and decoded; beyond it the outcome is
    `too_large`. `store_body_bytes` of it are kept, the rest is only counted and hashed. `max_header_bytes`
    bounds the head of one answer. `http2` is offered to targets over TLS. `trust` is for those
    without a TLS profile that has a `ca_file` of its own.

    Behind `proxy` nothing else is dialled. `tls` are the TLS profiles by name, `key_passwords` what opens the
    keys of some of them. `limits.ssrf_policy` says which targets are allowed. `secrets` sign callbacks: by
    name, all that are active.
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
    trust: TrustStore = TrustStore()
    limits: TaskLimits = TaskLimits()
    proxy: Proxy | None = None
    tls: Mapping[str, TlsProfile] = field(default_factory=dict)
    key_passwords: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
