"""The hosts and ports that taskrunner itself uses, which no task may target."""

from collections.abc import Iterator

from taskrunner.domain.backends.amqp_url import AMQP_PORTS, read_amqp_url
from taskrunner.domain.backends.postgres_url import read_postgres_url
from taskrunner.domain.backends.redis_url import read_redis_url
from taskrunner.domain.backends.service_tls import ServiceTls
from taskrunner.domain.backends.service_url import SCHEMES, Place, split_service_url
from taskrunner.domain.targets.address import is_loopback, is_wildcard, parse_address

_PROXY_PORTS = {"http": 80, "https": 443}


def service_endpoints(url: str) -> Iterator[Place]:
    """Where the servers of a broker, a store or a proxy listen; nothing for those without a network."""
    for host, port in _places(url):
        # A path is a Unix socket.
        if not host.startswith("/"):
            yield str(parse_address(host) or host), port


def listener_endpoints(addr: str, port: int) -> Iterator[Place]:
    """Where one of our servers listens, if that is a single address that other machines can reach."""
    address = parse_address(addr)
    if addr != "localhost" and not (address and (address.is_unspecified or is_loopback(address))):
        yield addr, port


def local_endpoint(addr: str, port: int) -> Place:
    """Where this machine itself reaches one of our servers.

    A wildcard takes in loopback, and `::` that of IPv4 too, which exists without IPv6.
    """
    return ("127.0.0.1" if is_wildcard(addr) else addr), port


def _places(url: str) -> tuple[Place, ...]:
    scheme = url.partition("://")[0]
    if scheme in _PROXY_PORTS:
        return split_service_url(url, _PROXY_PORTS[scheme]).places
    if scheme in AMQP_PORTS:
        return (read_amqp_url(url, ServiceTls()).place,)
    kind = SCHEMES.get(scheme)
    if kind == "redis":
        return read_redis_url(url, ServiceTls()).places
    return read_postgres_url(url).places if kind == "postgresql" else ()
