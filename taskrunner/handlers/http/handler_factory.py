"""The factory of the built-in handler, as light as its policy: libcurl is loaded where the handlers are
made.
"""

from typing import TYPE_CHECKING

from taskrunner.handlers.base import Handler, HandlerFactory
from taskrunner.handlers.http.settings import FetchSettings

if TYPE_CHECKING:
    from taskrunner.handlers.http.fetchers import Fetchers


class HttpHandlerFactory(HandlerFactory):
    """Pickled it is only the policy; who merely hands it on to another process has 6 MiB less to carry."""

    _fetchers: "Fetchers"  # from `start` on

    def __init__(self, policy: FetchSettings) -> None:
        self._policy = policy

    def __reduce__(self) -> tuple[type["HttpHandlerFactory"], tuple[FetchSettings]]:
        return HttpHandlerFactory, (self._policy,)

    def start(self) -> None:
        from taskrunner.handlers.http.fetchers import Fetchers

        self._fetchers = Fetchers(self._policy)
        self._fetchers.start()

    def make_handler(self) -> Handler:
        return self._fetchers.make_handler()

    def stop(self) -> None:
        self._fetchers.stop()
