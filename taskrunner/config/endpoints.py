"""The hosts and ports that taskrunner itself uses, which no task may target."""

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from taskrunner.domain.address import is_loopback, parse_address

Endpoint = tuple[str, int]
_DEFAULT_PORTS = {
    "http": 80,
    "amqp": 5672,
    "amqps": 5671,
    "redis": 6379,
    "rediss": 6379,
    "redis+sentinel": 26379,
    "rediss+sentinel": 26379,
    "https": 443,
    "postgres": 5432,
    "postgresql": 5432,
}


def service_endpoints(url: str) -> Iterator[Endpoint]:
    """Where the servers of a broker, a store or a proxy listen; nothing for one in this process or in a file.

    A URL of PostgreSQL can name several servers, also in its parameters:
    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
    """
    parts = urlsplit(url)
    default = _DEFAULT_PORTS.get(parts.scheme)
    if default is None:
        return
    for place in parts.netloc.rpartition("@")[2].split(","):
        yield from _endpoint(place, default)
    parameters = {name: values[-1].split(",") for name, values in parse_qs(parts.query).items()}
    ports = parameters.get("port", [])
    for number, host in enumerate(parameters.get("host", []) + parameters.get("hostaddr", [])):
        port = ports[number % len(ports)] if ports else ""
        yield from _endpoint(f"[{host}]:{port}" if ":" in host else f"{host}:{port}", default)


def listener_endpoints(addr: str, port: int) -> Iterator[Endpoint]:
    """Where one of our servers listens, if that is a single address that other machines can reach."""
    address = parse_address(addr)
    if addr != "localhost" and not (address and (address.is_unspecified or is_loopback(address))):
        yield addr, port


def _endpoint(place: str, default: int) -> Iterator[Endpoint]:
    host, _, port = place.rpartition(":") if not place.endswith("]") and ":" in place else (place, "", "")
    host = host.strip("[]")
    # A path is a Unix socket.
    if host and not host.startswith(("/", "%2F", "%2f")):
        yield str(parse_address(host) or host), int(port) if port.isdecimal() else default
