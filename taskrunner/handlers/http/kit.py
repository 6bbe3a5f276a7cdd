"""The kit of the built-in handler: its policy, and what the handlers of one process share."""

from taskrunner.handlers.base import Handler, HandlerKit
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.line import Watch
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.policy import FetchPolicy


class HttpKit(HandlerKit):
    """Pickled it is only the policy: each process has a watch and a network of its own."""

    def __init__(self, policy: FetchPolicy) -> None:
        self._policy = policy
        self._watch = Watch()
        self._network = Network()

    def __reduce__(self) -> tuple[type["HttpKit"], tuple[FetchPolicy]]:
        return HttpKit, (self._policy,)

    def start(self) -> None:
        self._watch.start()

    def make_handler(self) -> Handler:
        return HttpHandler(self._policy, self._watch, self._network)

    def stop(self) -> None:
        self._watch.stop()
