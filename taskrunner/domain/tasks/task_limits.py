"""The limits on what a task may ask for. Everything has one; configuration can change it."""

from collections.abc import Mapping

from taskrunner.domain.queues.queue import DEFAULT_QUEUES
from taskrunner.domain.targets.credential import CredentialUse, CredentialUses
from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.targets.tls_profile import ProfileHosts
from taskrunner.domain.targets.url_pattern import ANY_HOST
from taskrunner.domain.value import Value, field, replace

# The hosts of each secret of callbacks, by its name.
SecretHosts = Mapping[str, tuple[str, ...]]
FIVE_YEARS = 5 * 366 * 86_400.0
# The largest integer that every store can hold.
COUNT_LIMIT = 2**31 - 1
# Of a message: rules, a callback, and all else that is short.
_OTHER_BYTES = 128 * 1024


class TaskLimits(Value):
    """Upper bounds, checked when a task is submitted. Durations are seconds.

    `queues` are those that are declared, of which the broker lacks and refuses the `refused_queues`.
    `ssrf_policy` says which targets are allowed. `callback_secrets` are
    the names of the configured secrets, `tls_profiles` those of the TLS profiles, both with their hosts.
    `credentials` are what tasks may send.
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
    queues: tuple[str, ...] = DEFAULT_QUEUES
    refused_queues: tuple[str, ...] = ()
    ssrf_policy: SsrfPolicy = SsrfPolicy()
    callback_secrets: SecretHosts = field(default_factory=dict)
    tls_profiles: ProfileHosts = field(default_factory=dict)
    credentials: CredentialUses = field(default_factory=dict)

    @property
    def max_message_bytes(self) -> int:
        """The longest message that can be a task: JSON may write each byte of a text as six."""
        labels = self.max_labels * 2 * self.max_label_bytes
        return 6 * (self.max_body_bytes + self.max_headers_bytes + self.max_url_bytes + labels + _OTHER_BYTES)

    def without_targets(self) -> "TaskLimits":
        """The limits of fields whose URL is not known yet."""
        uses = {
            name: CredentialUse(hosts=(ANY_HOST,), headers=use.headers)
            for name, use in self.credentials.items()
        }
        anywhere = dict.fromkeys(self.tls_profiles, ())
        return replace(self, ssrf_policy=SsrfPolicy(), tls_profiles=anywhere, credentials=uses)
