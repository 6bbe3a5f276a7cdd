"""The URL of a RabbitMQ: https://www.rabbitmq.com/docs/uri-spec and https://www.rabbitmq.com/docs/uri-query-parameters"""

from dataclasses import dataclass, field
from urllib.parse import unquote

from taskrunner.domain.backends.service_tls import ServiceTls, rabbitmq_tls
from taskrunner.domain.backends.service_url import Place, shown_place, split_service_url

AMQP_PORTS = {"amqp": 5672, "amqps": 5671}
_TLS_NAMES = ("verify", "cacertfile", "certfile", "keyfile", "server_name_indication")
_REFUSED = {
    **dict.fromkeys(("depth", "fail_if_no_peer_cert"), "it has no meaning for a client"),
    "password": "use a key without a password",
    "frame_max": "taskrunner decides it",
    "channel_max": "taskrunner decides it",
    "ssl_options": "use cacertfile, certfile, keyfile and verify",
    "connection_attempts": "taskrunner dials again until it is stopped",
    "retry_delay": "taskrunner dials again until it is stopped",
    "socket_timeout": "use connection_timeout, in milliseconds",
    "stack_timeout": "use connection_timeout, in milliseconds",
    "blocked_connection_timeout": "see Rabbit.publish_timeout",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AmqpUrl:
    """None means that the URL does not say, for `tls` that nothing is encrypted. Times are seconds."""

    place: Place
    user: str = "guest"
    password: str = field(default="guest", repr=False)
    vhost: str = "/"
    tls: ServiceTls | None = None
    heartbeat: int | None = None
    dial_timeout: float | None = None

    def __str__(self) -> str:
        """The address as a message may show it."""
        return shown_place(self.place)


def read_amqp_url(url: str, tls: ServiceTls) -> AmqpUrl:
    """The URL in its parts; `tls` applies where it says nothing. Raises `ValueError` without showing it."""
    scheme = url.partition("://")[0].lower()
    if "://" not in url or scheme not in AMQP_PORTS:
        raise ValueError("must start with amqp:// or amqps://, or be memory:// for `taskrunner all`")
    parts = split_service_url(url, AMQP_PORTS[scheme])
    if len(parts.places) != 1 or parts.places[0][0].startswith("/"):
        raise ValueError("must name one host; the nodes of a cluster get a URL each")
    if parts.user is not None and parts.password is None:
        raise ValueError("has a user without a password; expected amqp://user:password@host/vhost")
    parameters = parts.parameters
    parameters.one_of("auth_mechanism", {"plain": 1}, "taskrunner logs in with user and password")
    milliseconds = parameters.number("connection_timeout", 1, 86_400_000)
    heartbeat = parameters.number("heartbeat", 0, 3600)
    if scheme == "amqps":
        found = rabbitmq_tls(parameters, tls)
    else:
        for name in _TLS_NAMES:
            parameters.refuse_prefix(name, "needs amqps://")
        found = None
    parameters.refuse_others(_REFUSED)
    return AmqpUrl(
        place=parts.places[0],
        user="guest" if parts.user is None else parts.user,
        password="guest" if parts.password is None else parts.password,
        vhost=_vhost(parts.path),
        tls=found,
        heartbeat=heartbeat,
        dial_timeout=None if milliseconds is None else milliseconds / 1000,
    )


def _vhost(path: str) -> str:
    """The virtual host, one segment of the path. We take an empty one for "/", as without a path."""
    name = path.removeprefix("/")
    if "/" in name:
        raise ValueError(
            "has a virtual host with a slash, which must be percent-encoded: %2F is the virtual host /, "
            "%2Fjobs is /jobs, a%2Fb is a/b"
        )
    return unquote(name) or "/"
