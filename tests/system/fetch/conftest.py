"""A fetch against servers on the loopback interface: handlers, tasks, hostile servers, certificates."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from taskrunner.domain.outcome import Outcome
from taskrunner.handlers.base import Attempting
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.line import Watch
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.policy import FetchPolicy
from taskrunner.handlers.http.trust import Trust
from tests.tools.cases import Case
from tests.tools.fetching import LOOPBACK, make_task
from tests.tools.hostile import Hostile


@dataclass(frozen=True)
class Fetcher:
    """A handler, with the little that a test wants to say about a task."""

    handler: HttpHandler

    def __call__(self, url: str, *, number: int = 1, **fields: Any) -> Outcome:
        return self.handler.run(self.attempting(url, number=number, **fields))

    def attempting(self, url: str, *, number: int = 1, **fields: Any) -> Attempting:
        return Attempting(task=make_task(url, **fields), number=number)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as server:
        yield server


@pytest.fixture
def watch() -> Iterator[Watch]:
    watch = Watch()
    watch.start()
    yield watch
    watch.stop()


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """For a server that is called localhost and 127.0.0.1."""
    return server_context(authority, "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def tls_http2(authority: trustme.CA) -> ssl.SSLContext:
    """The same for one that speaks HTTP/2."""
    context = server_context(authority, "localhost", "127.0.0.1")
    context.set_alpn_protocols(["h2"])
    return context


@pytest.fixture
def url_of(hostile: Hostile, tls: ssl.SSLContext, tls_http2: ssl.SSLContext) -> Callable[[Case], str]:
    """Serves the behaviour of a case."""

    def serve(case: Case) -> str:
        context = tls_http2 if case.http2 else tls if case.tls else None
        url = hostile.url(case.behaviour, tls=context)
        return url.replace("http:", "https:") if case.https else url

    return serve


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    """For a server with a good certificate for `names`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.fixture
def make_fetcher(watch: Watch, ca_file: str) -> Iterator[Callable[..., Fetcher]]:
    handlers: list[HttpHandler] = []

    def make(network: Network | None = None, **dials: Any) -> Fetcher:
        policy = FetchPolicy(**{"trust": Trust(file=ca_file), "limits": LOOPBACK, **dials})
        handler = HttpHandler(policy, watch, network)
        handlers.append(handler)
        return Fetcher(handler)

    yield make
    for handler in handlers:
        handler.close()


@pytest.fixture
def fetch(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    return make_fetcher()
