"""The web server: an application behind a listening socket, with limits on its clients."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from aiohttp import web

from taskrunner.api.http.connection import ConnectionServer
from taskrunner.api.http.handler import FIXED_ROUTES
from taskrunner.api.http.settings import ServerSettings
from taskrunner.api.http.tls_acceptor import TlsAcceptor
from taskrunner.domain.backends.service_url import shown_place
from taskrunner.domain.errors import ConfigInvalid, SetupError
from taskrunner.domain.events import Events
from taskrunner.domain.process_events import (
    CertificateRefused,
    CertificateRenewed,
    CertificateShown,
    PortOpened,
)
from taskrunner.domain.targets.address import is_wildcard
from taskrunner.runtime.cancel_and_wait import cancel_and_wait
from taskrunner.runtime.file_limit import affordable_connections
from taskrunner.runtime.listening import why_not_listening
from taskrunner.runtime.server_certificate import ServerCertificate

# How often per request timeout to look for slow connections.
_SWEEPS_PER_TIMEOUT = 10
# An idle connection may have a request on its way, which closing would lose. A busy client sends it within
# this time and is answered with `Connection: close`; the other connections are closed afterwards.
_DRAIN = 0.5
# Seconds between two looks whether the certificate has been renewed.
_CERTIFICATE_LOOK = 5.0


class WebServer:
    """Serves `app` on `host` and `port`; port 0 takes a free one, which is then in `port`.

    `setting` is the name of the port's setting, for the error when the port is taken.
    """

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        events: Events,
        options: ServerSettings = ServerSettings(),  # noqa: B008 - frozen, so a default may be shared
        setting: str = "Api.port",
    ) -> None:
        self.host = host
        self.port = port
        self._events = events
        connections = affordable_connections(options.max_connections)
        self._options = replace(options, max_connections=connections)
        self._setting = setting
        # The application's own runner starts and ends it; of its server only the handler is used.
        self._app_runner = web.AppRunner(app, access_log=None)
        self._runner: web.ServerRunner | None = None
        self._server: ConnectionServer | None = None
        self._acceptor: TlsAcceptor | None = None
        self._listener: asyncio.Server | None = None
        self._certificate: ServerCertificate | None = None
        self._sweepers: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Listen. Raises `SetupError` for an unavailable address, `ConfigInvalid` for a bad certificate."""
        if self._options.certificate is not None:
            section = self._setting.partition(".")[0]
            self._certificate = ServerCertificate(self._options.certificate, section)
        await self._app_runner.setup()
        app_server = self._app_runner.server
        if app_server is None:
            raise RuntimeError("aiohttp set an application up without a server")
        fixed_routes = self._app_runner.app.get(FIXED_ROUTES, {})
        server = self._server = ConnectionServer(app_server, fixed_routes, self._events, self._options)
        self._runner = web.ServerRunner(server, shutdown_timeout=self._options.shutdown_grace)
        await self._runner.setup()
        try:
            self._listener = await self._listen(server)
        except OSError as exc:
            await self.stop()
            raise SetupError(why_not_listening(exc, self.host, self.port, self._setting)) from exc
        self.port = self._listener.sockets[0].getsockname()[1]
        self._sweepers.append(asyncio.create_task(self._end_slow(server), name="slow connections"))
        if self._certificate is not None:
            renewing = asyncio.create_task(self._renew(self._certificate), name="certificate")
            self._sweepers.append(renewing)
            self._tell_end(self._certificate)
        self._events.emit(PortOpened(address=self._address, setting=self._setting))

    async def stop(self) -> None:
        """Stop listening, let the requests in flight end within the grace time, close. Safe to call twice."""
        runner, self._runner = self._runner, None
        if runner is not None:
            if self._listener is not None:
                self._listener.close()
            # What only ends when something happens is told to end now; the runner below tells it again.
            await self._app_runner.app.shutdown()
            if self._server is not None:
                await self._server.drain(min(_DRAIN, self._options.shutdown_grace))
            if self._acceptor is not None:
                await self._acceptor.stop()
            await runner.cleanup()
        sweepers, self._sweepers = self._sweepers, []
        await cancel_and_wait(*sweepers)
        await self._app_runner.cleanup()

    @property
    def _address(self) -> str:
        return shown_place((self.host, self.port))

    async def _listen(self, server: ConnectionServer) -> asyncio.Server:
        options: dict[str, Any] = {"backlog": self._options.backlog}
        factory: Callable[[], asyncio.Protocol] = server
        if self._certificate is not None:
            context, timeout = self._certificate.context, self._options.request_timeout
            factory = self._acceptor = TlsAcceptor(server, context, timeout)
        if ":" in self.host and is_wildcard(self.host) and socket.has_dualstack_ipv6():
            # asyncio sets IPV6_V6ONLY (RFC 3493 section 5.3), and `::` means all addresses of the machine.
            options["sock"] = socket.create_server(
                (self.host, self.port),
                family=socket.AF_INET6,
                backlog=self._options.backlog,
                dualstack_ipv6=True,
            )
        else:
            options |= {"host": self.host, "port": self.port}
        return await asyncio.get_running_loop().create_server(factory, **options)

    async def _end_slow(self, server: ConnectionServer) -> None:
        while True:
            await asyncio.sleep(self._options.request_timeout / _SWEEPS_PER_TIMEOUT)
            server.end_slow()

    async def _renew(self, certificate: ServerCertificate) -> None:
        while True:
            await asyncio.sleep(_CERTIFICATE_LOOK)
            try:
                if certificate.refresh():
                    self._events.emit(CertificateRenewed(setting=self._setting))
                    self._tell_end(certificate)
            except ConfigInvalid as exc:
                self._events.emit(CertificateRefused(error=str(exc)))

    def _tell_end(self, certificate: ServerCertificate) -> None:
        if certificate.ends_at is not None:
            self._events.emit(CertificateShown(setting=self._setting, ends_at=certificate.ends_at))
