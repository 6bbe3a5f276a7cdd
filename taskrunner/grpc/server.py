"""The gRPC server: serves the services that it is given, on the process's event loop."""

import errno
import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from taskrunner.domain.backends.service_url import shown_place
from taskrunner.domain.errors import ConfigInvalid, SetupError
from taskrunner.domain.events import Events
from taskrunner.domain.process_events import PortOpened
from taskrunner.grpc.boundary import Boundary
from taskrunner.grpc.health import HealthService
from taskrunner.grpc.open_services import OpenServices
from taskrunner.grpc.settings import GrpcSettings
from taskrunner.monitor.health import Health
from taskrunner.runtime.file_limit import affordable_connections
from taskrunner.runtime.listening import why_not_listening
from taskrunner.runtime.server_certificate import CertificateFiles, ServerCertificate

_PORT_SETTING = "Grpc.port"
_REFLECTION = reflection.SERVICE_NAME


class GrpcServer:
    """Serves on `host` and `port`; for port 0 it takes a free port, and sets `port`."""

    def __init__(
        self,
        services: Mapping[ServiceDescriptor, Sequence[object]],
        boundary: Boundary,
        health: Health,
        host: str,
        port: int,
        *,
        events: Events,
        options: GrpcSettings = GrpcSettings(),  # noqa: B008 - frozen, so a default may be shared
    ) -> None:
        self.host = host
        self.port = port
        self._services = services
        self._boundary = boundary
        self._events = events
        self._options = options
        self._health = HealthService(health, [service.full_name for service in services])
        self._server: grpc.aio.Server | None = None

    async def start(self) -> None:
        """Listen. Raises `SetupError` for an unavailable address, `ConfigInvalid` for a bad certificate."""
        credentials = None if self._options.certificate is None else _credentials(self._options.certificate)
        server = grpc.aio.server(
            interceptors=(OpenServices(),),
            options=_channel_options(self._options),
            maximum_concurrent_rpcs=self._options.max_calls,
        )
        for descriptor, servicers in self._services.items():
            server.add_generic_rpc_handlers((self._boundary.handlers(descriptor, servicers),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        served = [each.full_name for each in self._services]
        served += [health_pb2.DESCRIPTOR.services_by_name["Health"].full_name, _REFLECTION]
        reflection.enable_server_reflection(served, server)
        self.port = self._listen(server, credentials)
        await server.start()
        self._server = server
        self._events.emit(PortOpened(address=shown_place((self.host, self.port)), setting=_PORT_SETTING))

    async def stop(self) -> None:
        """Refuse new calls, let those under way end within the grace time, close. Safe to call twice."""
        server, self._server = self._server, None
        self._health.stop()
        if server is not None:
            await server.stop(self._options.shutdown_grace)

    def _listen(self, server: grpc.aio.Server, credentials: grpc.ServerCredentials | None) -> int:
        try:
            _try_to_bind(self.host, self.port)
        except OSError as exc:
            raise SetupError(why_not_listening(exc, self.host, self.port, _PORT_SETTING)) from exc
        address = shown_place((self.host, self.port))
        try:
            if credentials is None:
                return server.add_insecure_port(address)
            return server.add_secure_port(address, credentials)
        except RuntimeError as exc:
            raise SetupError(f"cannot listen on {address} ({exc}); see {_PORT_SETTING}") from exc


def _try_to_bind(host: str, port: int) -> None:
    """Raises `OSError`. gRPC itself does not say why it cannot listen.

    A name may have an address that the machine has not, such as that of localhost in IPv6.
    """
    lacking: OSError | None = None
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    for family, kind, _, _, place in found:
        try:
            with socket.socket(family, kind) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(place)
                trial.listen()
            return
        except OSError as exc:
            if exc.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise
            lacking = exc
    if lacking is not None:
        raise lacking


def _channel_options(options: GrpcSettings) -> Sequence[tuple[str, Any]]:
    """https://grpc.github.io/grpc/core/group__grpc__arg__keys.html"""
    return (
        # Otherwise a second process could listen on the same port and get half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_concurrent_streams", options.max_streams_per_connection),
        ("grpc.max_allowed_incoming_connections", affordable_connections(options.max_connections)),
        ("grpc.max_metadata_size", options.max_metadata_bytes),
        ("grpc.absolute_max_metadata_size", options.max_metadata_bytes),
        ("grpc.server_handshake_timeout_ms", _ms(options.handshake_timeout)),
        ("grpc.keepalive_time_ms", _ms(options.keepalive)),
        ("grpc.keepalive_timeout_ms", _ms(options.keepalive / 3)),
        # Clients may ping every ten seconds, also between calls; more often is taken for an attack.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
        ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _credentials(files: CertificateFiles) -> grpc.ServerCredentials:
    """Those of the API, renewed files included. Raises `ConfigInvalid`."""
    certificate, lock = ServerCertificate(files, "Api"), threading.Lock()

    def renewed() -> grpc.ServerCertificateConfiguration | None:
        """Called by gRPC before each handshake, on a thread of its own."""
        with lock:
            try:
                return _read(files) if certificate.refresh() else None
            except (ConfigInvalid, OSError):
                # The HTTP API has the same files and reports the error; the present certificate stays.
                return None

    # The types of grpcio leave out that nothing new may be answered.
    return grpc.dynamic_ssl_server_credentials(_read(files), renewed, files.client_ca is not None)  # type: ignore[arg-type]


def _read(files: CertificateFiles) -> grpc.ServerCertificateConfiguration:
    chain = Path(files.cert).read_bytes()
    key = chain if files.key is None else Path(files.key).read_bytes()
    clients = None if files.client_ca is None else Path(files.client_ca).read_bytes()
    return grpc.ssl_server_certificate_configuration([(key, chain)], clients)
