"""Events of one process: its stop, what it has read anew, its ports and the requests it refused or failed."""

from datetime import datetime

from taskrunner.domain.events import Event
from taskrunner.domain.keys.audit import AuditEntry


class StopRequested(Event):
    """A signal asked this process to stop gracefully; a second one ends it at once."""

    signal: str


class StopWaits(Event):
    """The stop that was requested `waited` seconds ago waits for something. Emitted every 10 seconds."""

    waited: float
    waits_for: str


class ConfigReloaded(Event):
    """SIGHUP changed these settings; the others that differ need a restart."""

    changed: tuple[str, ...]
    need_restart: tuple[str, ...]


class ConfigRefused(Event):
    """SIGHUP changed nothing: the configuration that was read has findings."""

    error: str


class PausesChanged(Event):
    """This process has read that other scopes are paused than before."""

    scopes: tuple[str, ...]


class QueuesChanged(Event):
    """This process has read that other queues are declared than before."""

    queues: tuple[str, ...]


class HostLimitsChanged(Event):
    """This process has read that the API set other host limits than before."""

    patterns: tuple[str, ...]


class KeyNamesClash(Event):
    """Keys of the configuration that are named as keys of the store: tasks cannot tell them apart."""

    names: tuple[str, ...]


class CertificateShown(Event):
    """The server of this setting shows a certificate that is good until `ends_at`."""

    setting: str
    ends_at: datetime


class CertificateRenewed(Event):
    """The server of this setting shows another certificate from now on."""

    setting: str


class CertificateRefused(Event):
    """A certificate file has changed and cannot be used; the one before it stays."""

    error: str


class PortOpened(Event):
    """The server listens at `address`; `setting` is the name of the port's setting."""

    address: str
    setting: str


class ApiOpened(Event):
    """`Api.auth` is none: whoever reaches `address` may use the API."""

    address: str


class RequestDenied(Event):
    """An API request was refused: 401, 403 or 429. `code` is that of the problem."""

    status: int
    code: str


class RequestAnswered(Event):
    """An HTTP request was answered after `elapsed` seconds, by the route of this method and pattern.

    `route` is None if none took it: a path or a method that does not exist.
    """

    route: tuple[str, str] | None
    status: int
    elapsed: float


class RequestFailed(Event):
    """An API request had an unexpected error; the answer only contains `id` and `request_id`."""

    id: str
    request_id: str
    method: str
    path: str
    error: BaseException


class AuditLost(Event):
    """An action took effect, but its audit entry could not be written: this is all that is known of it."""

    entry: AuditEntry
    error: BaseException
