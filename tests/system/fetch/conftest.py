"""A fetch against servers on the loopback interface: handlers, tasks, hostile servers, certificates."""

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import trustme

from taskrunner.domain.targets.ssrf_policy import SsrfPolicy
from taskrunner.domain.tasks.outcome import Outcome
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.handlers.base import AttemptContext
from taskrunner.handlers.http.handler import HttpHandler
from taskrunner.handlers.http.network import Network
from taskrunner.handlers.http.settings import EgressProxy, FetchSettings, TrustStore
from taskrunner.handlers.http.target_auth import TargetAuth
from taskrunner.handlers.http.worker_sockets import SocketWatch
from tests.tools import behaviours
from tests.tools.cases import Case
from tests.tools.fetching import LOOPBACK, make_task
from tests.tools.hostile import Behaviour, Hostile
from tests.tools.staged_network import StagedNetwork


@dataclass(frozen=True)
class Fetcher:
    """A handler that a test calls with a URL and the fields of a task."""

    handler: HttpHandler

    def __call__(self, url: str, *, number: int = 1, **fields: Any) -> Outcome:
        return self.handler.run(self.context(url, number=number, **fields))

    def context(self, url: str, *, number: int = 1, **fields: Any) -> AttemptContext:
        return AttemptContext(task=make_task(url, **fields), number=number)


@pytest.fixture
def hostile() -> Iterator[Hostile]:
    with Hostile() as server:
        yield server


@pytest.fixture
def watch() -> Iterator[SocketWatch]:
    watch = SocketWatch()
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
    """For a server at localhost and 127.0.0.1."""
    return server_context(authority, "localhost", "127.0.0.1")


@pytest.fixture(scope="session")
def tls_http2(authority: trustme.CA) -> ssl.SSLContext:
    """The same for a server that speaks HTTP/2."""
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
def make_fetcher(watch: SocketWatch, ca_file: str) -> Iterator[Callable[..., Fetcher]]:
    handlers: list[HttpHandler] = []

    def make(network: Network | None = None, auth: TargetAuth | None = None, **settings: Any) -> Fetcher:
        policy = FetchSettings(**{"trust": TrustStore(file=ca_file), "limits": LOOPBACK, **settings})
        handler = HttpHandler(policy, watch, network, auth)
        handlers.append(handler)
        return Fetcher(handler)

    yield make
    for handler in handlers:
        handler.close()


@pytest.fixture
def fetch(make_fetcher: Callable[..., Fetcher]) -> Fetcher:
    return make_fetcher()


NAMES = {
    "target.example": [["93.184.216.34", "93.184.216.35"]],
    "six.example": [["2606:2800:220:1::1"]],
    "inside.example": [["10.1.2.3"]],
    "both.example": [["93.184.216.34", "10.1.2.3"]],
    "proxy.internal": [["10.0.0.9"]],
}


PROXY_PORT = 3128


class Scene:
    """A worker behind a proxy of the test, a target behind the proxy, and what both have seen."""

    def __init__(self, hostile: Hostile, watch: SocketWatch, ca_file: str) -> None:
        self.proxy = Hostile()
        self.target = hostile
        self.network: StagedNetwork
        self._watch = watch
        self._ca_file = ca_file
        self._handlers: list[HttpHandler] = []

    def close(self) -> None:
        for handler in self._handlers:
            handler.close()
        self.proxy.__exit__()

    def through(
        self,
        behaviour: Behaviour,
        *,
        resolves: bool = False,
        host: str = "proxy.internal",
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Fetcher:
        """A fetcher whose proxy shows `behaviour`, with TLS to the proxy if `tls` is given."""
        port = int(self.proxy.url(behaviour, tls=tls).rpartition(":")[2].strip("/"))
        self.network = StagedNetwork(NAMES, {PROXY_PORT: port})
        user = None if password is None else "us er"
        proxy = EgressProxy(
            scheme="http" if tls is None else "https",
            host=host,
            port=PROXY_PORT,
            user=user,
            password=password,
            resolves=resolves,
        )
        policy = FetchSettings(
            proxy=proxy, trust=TrustStore(file=self._ca_file), limits=TaskLimits(ssrf_policy=SsrfPolicy())
        )
        handler = HttpHandler(policy, self._watch, self.network)
        self._handlers.append(handler)
        return Fetcher(handler)

    def to_target(
        self, behaviour: Behaviour, *, tls: ssl.SSLContext | None = None, resolves: bool = False
    ) -> Fetcher:
        """A fetcher whose proxy leads to a target that shows `behaviour`."""
        port = int(self.target.url(behaviour, tls=tls).rpartition(":")[2].strip("/"))
        return self.through(behaviours.leads_to(port), resolves=resolves)

    @property
    def asked(self) -> list[str]:
        """The targets that the proxy was asked for."""
        return [seen.target for seen in self.proxy.ledger.requests]


@pytest.fixture
def scene(hostile: Hostile, watch: SocketWatch, ca_file: str) -> Iterator[Scene]:
    made = Scene(hostile, watch, ca_file)
    yield made
    made.close()
