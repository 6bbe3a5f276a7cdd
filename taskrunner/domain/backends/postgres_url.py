"""The URL of a PostgreSQL database: https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING

Every parameter of libpq works as libpq documents it, or is refused by name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote

from taskrunner.domain.backends.service_url import Place, shown_place, split_place, split_service_url
from taskrunner.domain.backends.url_parameters import UrlParameters

POSTGRES_PORT = 5432
# Settings that we need: the defaults of a role or a database may differ.
SEARCH_PATH = '"$user", public'
_LOCAL_SOCKET = "the local socket"
_LONGEST = 86_400
# The driver reads these from its own URL: https://magicstack.github.io/asyncpg/current/api/index.html#connection
_DRIVER = {
    "sslmode": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": ("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"),
    "ssl_max_protocol_version": ("tlsv1", "tlsv1.1", "tlsv1.2", "tlsv1.3"),
    "target_session_attrs": ("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    "gsslib": ("gssapi",),
    "passfile": (),
    "sslcert": (),
    "sslkey": (),
    "sslpassword": (),
    "sslrootcert": (),
    "sslcrl": (),
    "krbsrvname": (),
}
# The values that describe the behaviour of the driver; it does not support others.
_FIXED: Mapping[str, tuple[tuple[str, ...], str]] = {
    "channel_binding": (("prefer", "disable"), "the driver has none; sslmode=verify-full proves the server"),
    "gssencmode": (("prefer", "disable"), "the driver has no GSSAPI encryption; use sslmode"),
    "client_encoding": (("utf8", "utf-8", "unicode", "auto"), "taskrunner stores UTF-8"),
    "load_balance_hosts": (("disable",), "the hosts are dialled in turn"),
    "sslcompression": (("0",), "compression under TLS is unsafe"),
    "sslsni": (("1",), "the driver always sends the name"),
    "sslcertmode": (("allow",), "the driver sends a certificate when it is asked for one"),
    "gssdelegation": (("0",), "the driver cannot delegate credentials"),
    "replication": (("false", "off", "no", "0"), "taskrunner is not a standby"),
    "min_protocol_version": (("3.0",), "the driver speaks 3.0"),
    "max_protocol_version": (("3.0", "latest"), "the driver speaks 3.0"),
}
_REFUSED = {
    "hostaddr": "name the address as the host",
    "service": "write the parameters of the service into the URL",
    "servicefile": "write the parameters of the service into the URL",
    "require_auth": "the driver cannot restrict it; pg_hba.conf can",
    "requirepeer": "the driver cannot check it",
    "requiressl": "use sslmode=require",
    "sslcrldir": "use sslcrl",
    "sslkeylogfile": "set the environment variable SSLKEYLOGFILE",
    "scram_client_key": "use the password",
    "scram_server_key": "use the password",
    "oauth_issuer": "the driver has no OAuth",
    "oauth_client_id": "the driver has no OAuth",
    "oauth_client_secret": "the driver has no OAuth",
    "oauth_scope": "the driver has no OAuth",
}
_IDENTIFIER = re.compile(r'"(?:[^"]|"")+"|\$user|[A-Za-z_][A-Za-z0-9_$]*')
_KEEPALIVES = ("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
# `-c name=value` or `--name=value`, with a backslash before a blank in a value.
_OPTION = re.compile(r"(?:-c\s*|--)([A-Za-z0-9_.-]+)=((?:\\.|[^\\\s])*)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresUrl:
    """`driver` are the parameters that go to the driver, `keepalives` those of the socket.

    None means that the URL does not say; without `places`, the server is the one on this machine.
    """

    places: tuple[Place, ...]
    user: str | None
    password: str | None = field(repr=False)
    database: str | None
    driver: Mapping[str, str] = field(repr=False)
    keepalives: Mapping[str, int]
    dial_timeout: float | None
    application_name: str
    options: str | None
    search_path: str

    def __str__(self) -> str:
        """The address as a message may show it."""
        places = ",".join(map(shown_place, self.places)) or _LOCAL_SOCKET
        return f"{places}/{self.database or ''}".rstrip("/")


def read_postgres_url(url: str) -> PostgresUrl:
    """The URL in its parts. Raises `ValueError` without showing it."""
    parts = split_service_url(url, POSTGRES_PORT)
    parameters = parts.parameters
    options = parameters.text("options")
    name, fallback = parameters.text("application_name"), parameters.text("fallback_application_name")
    path = _search_path(options, parameters.text("search_path"))
    for fixed, (values, why) in _FIXED.items():
        parameters.one_of(fixed, dict.fromkeys(values), why)
    found = PostgresUrl(
        places=_places(parts.places, parameters),
        user=parameters.text("user") or parts.user,
        password=parameters.text("password") or parts.password or None,
        database=parameters.text("dbname") or unquote(parts.path.removeprefix("/")) or None,
        driver=_driver(parameters),
        keepalives=_keepalives(parameters),
        dial_timeout=parameters.number("connect_timeout", 1, _LONGEST),
        application_name=name or fallback or "taskrunner",
        options=options,
        search_path=path,
    )
    parameters.refuse_others(_REFUSED, "; a setting of the server is given as options=-c%20NAME%3DVALUE")
    return found


def _places(places: tuple[Place, ...], parameters: UrlParameters) -> tuple[Place, ...]:
    """As libpq, parameters go before the authority; one port serves all hosts."""
    hosts, ports = parameters.text("host"), parameters.text("port")
    if hosts is not None:
        places = tuple(
            split_place(f"[{host}]" if ":" in host else host, POSTGRES_PORT) for host in hosts.split(",")
        )
    if ports is None:
        return places
    numbers = [split_place(f"h:{port}", POSTGRES_PORT)[1] for port in ports.split(",")]
    if len(numbers) not in {1, len(places)}:
        raise ValueError(f"has {len(numbers)} ports for {len(places)} hosts; give one, or one each")
    if not places:
        raise ValueError("has a port without a host; a socket is named by host=/folder")
    return tuple((host, numbers[i % len(numbers)]) for i, (host, _) in enumerate(places))


def _driver(parameters: UrlParameters) -> dict[str, str]:
    found = {}
    for name, choices in _DRIVER.items():
        value = parameters.one_of(name, dict.fromkeys(choices)) if choices else parameters.text(name)
        if value is not None:
            found[name] = value.replace("tlsv", "TLSv") if "protocol" in name else value
    if found.get("sslnegotiation") == "direct" and found.get("sslmode", "prefer")[:3] not in {"req", "ver"}:
        raise ValueError("has sslnegotiation=direct, which needs sslmode=require, verify-ca or verify-full")
    if found.get("sslrootcert") == "system":
        raise ValueError("has sslrootcert=system; name the file of the system's authorities instead")
    return found


def _keepalives(parameters: UrlParameters) -> dict[str, int]:
    numbers = {name: parameters.number(name, 0, 2**31 - 1) for name in _KEEPALIVES}
    return {name: number for name, number in numbers.items() if number is not None}


def _search_path(options: str | None, given: str | None) -> str:
    """The one in `options` counts as if it were given; all other options go to the server as they are."""
    inside = [value for name, value in _OPTION.findall(options or "") if name == "search_path"]
    found = given or (re.sub(r"\\(.)", r"\1", inside[-1]) if inside else None)
    if given and inside:
        raise ValueError("has search_path twice, once in options; keep one")
    if found is None:
        return SEARCH_PATH
    parts = [part.strip() for part in found.split(",")]
    if not all(_IDENTIFIER.fullmatch(part) for part in parts):
        raise ValueError('has a search_path that is not a list of schemas, such as app or "$user",public')
    return ", ".join(f'"{part}"' if part == "$user" else part for part in parts)
