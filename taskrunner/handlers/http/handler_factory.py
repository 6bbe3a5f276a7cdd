"""Makes the HTTP handlers of one process, which share name look-ups and the watch over their sockets."""

from dataclasses import replace
from typing import TYPE_CHECKING

from taskrunner.handlers.base import Handler, HandlerFactory
from taskrunner.handlers.http.settings import FetchSettings

if TYPE_CHECKING:
    from taskrunner.handlers.http.network import Network
    from taskrunner.handlers.http.target_auth import TargetAuth
    from taskrunner.handlers.http.worker_sockets import SocketWatch


class HttpHandlerFactory(HandlerFactory):
    """Pickles as its settings alone.

    libcurl is loaded only by `start`, which saves 6 MiB in a process that merely passes the factory on.
    """

    _watch: "SocketWatch"  # from `start` on
    _network: "Network"
    _auth: "TargetAuth"

    def __init__(self, settings: FetchSettings) -> None:
        self._settings = settings

    def __reduce__(self) -> tuple[type["HttpHandlerFactory"], tuple[FetchSettings]]:
        return HttpHandlerFactory, (self._settings,)

    def start(self) -> None:
        from taskrunner.handlers.http.network import Network
        from taskrunner.handlers.http.target_auth import TargetAuth
        from taskrunner.handlers.http.worker_sockets import SocketWatch

        self._watch, self._network, self._auth = SocketWatch(), Network(), TargetAuth(self._settings)
        self._watch.start()

    def make_handler(self) -> Handler:
        from taskrunner.handlers.http.handler import HttpHandler

        return HttpHandler(self._settings, self._watch, self._network, self._auth)

    def adopt(self, other: "HttpHandlerFactory") -> None:
        """Secrets and credentials can change."""
        theirs = other._settings
        self._settings = replace(
            self._settings, secrets=theirs.secrets, credentials=theirs.credentials, issuer=theirs.issuer
        )
        self._auth.configure(self._settings)

    def stop(self) -> None:
        self._watch.stop()
