"""The bounds on what a task may ask for. Configuration can move them; nothing is without one."""

from taskrunner.domain.ssrf_policy import SsrfPolicy
from taskrunner.domain.tls_profile import ProfileHosts
from taskrunner.domain.value import Value, field

FIVE_YEARS = 5 * 366 * 86_400.0
# What the stores' integers can hold.
COUNT_LIMIT = 2**31 - 1


class TaskLimits(Value):
    """Upper bounds, checked when a task is handed in. Durations are seconds. `ssrf_policy`: where it may
    lead.

    `callback_secrets` are the names of the secrets that a callback can be signed with, `tls_profiles` those
    of the TLS profiles, each with the hosts that it is for.
    """

    max_url_bytes: int = 8 * 1024
    max_body_bytes: int = 256 * 1024
    max_headers: int = 50
    max_header_bytes: int = 8 * 1024
    max_headers_bytes: int = 16 * 1024
    max_labels: int = 32
    max_label_bytes: int = 256
    max_timeout: float = 900.0
    max_attempts: int = 100
    max_delay: float = FIVE_YEARS
    ssrf_policy: SsrfPolicy = SsrfPolicy()
    callback_secrets: frozenset[str] = frozenset()
    tls_profiles: ProfileHosts = field(default_factory=dict)
