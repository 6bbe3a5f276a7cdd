"""What the handlers of one process share: the watch over their connections, the host names that they know."""

from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.settings import FetchSettings
from taskrunner.handlers.http.worker_sockets import SocketWatch


class Fetchers:
    """Makes handlers of one policy."""

    def __init__(self, policy: FetchSettings) -> None:
        self._policy = policy
        self._watch = SocketWatch()
        self._network = Network()

    def start(self) -> None:
        self._watch.start()

    def make_handler(self) -> HttpHandler:
        return HttpHandler(self._policy, self._watch, self._network)

    def stop(self) -> None:
        self._watch.stop()
