"""The limits of the gRPC server."""

from dataclasses import dataclass

from taskrunner.api.http.settings import ApiSettings, ServerSettings
from taskrunner.runtime.server_certificate import CertificateFiles

_SERVER = ServerSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class GrpcSettings:
    """Durations are seconds.

    `max_message_bytes` is that of a request. `max_calls` go on at a time, in `max_connections`, each with at
    most `max_streams_per_connection`; others are refused. `keepalive`: a connection on which nothing came for
    so long is asked whether the client is there. `handshake_timeout`: of a new connection. `shutdown_grace`:
    how long calls may go on after `stop`.
    """

    max_message_bytes: int = ApiSettings().max_request_bytes
    max_calls: int = _SERVER.max_connections
    max_connections: int = _SERVER.max_connections
    max_streams_per_connection: int = 100
    max_metadata_bytes: int = _SERVER.max_header_bytes
    keepalive: float = 60.0
    handshake_timeout: float = _SERVER.request_timeout
    shutdown_grace: float = _SERVER.shutdown_grace
    certificate: CertificateFiles | None = None
