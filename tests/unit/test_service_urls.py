"""The URLs of services: every parameter is obeyed or refused by name, and no password is ever shown."""

import json
from pathlib import Path
from urllib.parse import quote

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from taskrunner.cli.config import config_command
from taskrunner.config import load
from taskrunner.domain.backends.amqp_url import read_amqp_url
from taskrunner.domain.backends.postgres_url import SEARCH_PATH, read_postgres_url
from taskrunner.domain.backends.redis_url import read_redis_url
from taskrunner.domain.backends.service_tls import ServiceTls, TlsVerify
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.runtime.tls_context import make_tls_context

SECRET = "s3cr3tword"
NO_TLS = ServiceTls()
# Passwords that are not percent-encoded, or half: each puts a part of it where another reader sees a path,
# a query, a fragment, a port or a host.
PASSWORDS = [
    f"{before}{mark}{after}"
    for mark in (
        "/",
        "#",
        "?",
        ":",
        "@",
        "&",
        "=",
        "%",
        "%zz",
        "[",
        "]",
        "\\",
        "//",
        "?a=",
        "@@",
        ",",
        " ",
        "+",
    )
    for before, after in (("1234", SECRET), (SECRET, "1234"), (SECRET, SECRET), ("", SECRET), (SECRET, ""))
]
FORMS = {
    "STORE__URL": [
        "postgresql://u:{}@h/db",
        "postgresql://u:{}@h:5432/db?sslmode=require",
        "postgresql://u@h/db?password={}",
        "postgresql://u@h/db?password={}&sslmode=disable",
        "postgresql://u@h/db?sslpassword={}",
        "redis://u:{}@h/0",
        "rediss://:{}@h:1/0?ssl_cert_reqs=none",
        "redis+sentinel://u:{}@h,i/main/0",
    ],
    "RABBIT__ADDR": ["amqp://u:{}@h/", "amqps://u:{}@h:5671/vhost?heartbeat=5"],
}


@pytest.mark.parametrize("form", [form for forms in FORMS.values() for form in forms])
def test_no_surface_shows_a_password(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it holds: `config check`, `config show`, its JSON, errors, and the address on `/health`."""
    variable = next(name for name, forms in FORMS.items() if form in forms)
    monkeypatch.chdir(Path(__file__).parent)
    for password in PASSWORDS:
        url = form.format(password)
        monkeypatch.setenv(f"TASKRUNNER_{variable}", url)
        for words in (["check"], ["show"], ["show", "--json"]):
            done = CliRunner().invoke(config_command, words)
            told = f"{done.output}{done.stderr}{done.exception!r}"
            assert SECRET not in told, (url, words)
        assert SECRET not in address_of(url), url


def address_of(url: str) -> str:
    """What a message, `/health` and the log show, or the reason why the URL is refused."""
    try:
        if url.startswith("amqp"):
            found: object = read_amqp_url(url, NO_TLS)
        elif url.startswith("postgresql"):
            found = read_postgres_url(url)
        else:
            found = read_redis_url(url, NO_TLS)
    except ValueError as exc:
        return str(exc)
    return f"{found} {found!r}"


@given(password=st.text(min_size=1, max_size=30))
def test_an_encoded_password_arrives_as_it_is(password: str) -> None:
    """In every form, and in no address."""
    encoded = quote(password, safe="")
    assert read_postgres_url(f"postgresql://u:{encoded}@h/db").password == password
    assert read_postgres_url(f"postgresql://u@h/db?password={encoded}").password == password
    assert read_redis_url(f"redis://:{encoded}@h", NO_TLS).password == password
    assert read_amqp_url(f"amqp://u:{encoded}@h", NO_TLS).password == password
    assert str(read_postgres_url(f"postgresql://u:{encoded}@h/db")) == "h:5432/db"


@pytest.mark.parametrize(
    ("path", "vhost"),
    [
        ("", "/"),
        ("/", "/"),
        ("/%2F", "/"),
        ("/%2f", "/"),
        ("/jobs", "jobs"),
        ("/%2Fjobs", "/jobs"),
        ("/a%2Fb", "a/b"),
    ],
)
def test_a_virtual_host_is_one_segment(path: str, vhost: str) -> None:
    assert read_amqp_url(f"amqp://h{path}", NO_TLS).vhost == vhost


@pytest.mark.parametrize("path", ["//", "//jobs", "/a/b", "/a/", "/a//", "///"])
def test_a_virtual_host_with_a_slash_is_refused(path: str) -> None:
    """It would be another one, in silence."""
    with pytest.raises(ValueError, match="%2Fjobs is /jobs"):
        read_amqp_url(f"amqp://h{path}", NO_TLS)


def test_rabbitmqs_parameters_are_obeyed() -> None:
    """https://www.rabbitmq.com/docs/uri-query-parameters"""
    url = "amqps://u:p@h/v?heartbeat=10&connection_timeout=1500&verify=verify_none&cacertfile=/ca"
    found = read_amqp_url(
        f"{url}&certfile=/c&keyfile=/k&server_name_indication=n&auth_mechanism=plain", NO_TLS
    )
    assert (found.heartbeat, found.dial_timeout) == (10, 1.5)
    assert found.tls == ServiceTls(
        ca_file="/ca", cert_file="/c", key_file="/k", verify=TlsVerify.NONE, server_name="n"
    )
    settings = ServiceTls(ca_file="/own")
    assert read_amqp_url("amqps://h", settings).tls == settings
    assert read_amqp_url("amqp://h", settings).tls is None


def test_the_drivers_parameters_for_redis_are_obeyed() -> None:
    """https://redis.readthedocs.io/en/stable/connections.html"""
    url = "rediss://h?db=3&ssl_ca_certs=/ca&ssl_certfile=/c&ssl_keyfile=/k&ssl_check_hostname=false"
    found = read_redis_url(f"{url}&socket_timeout=2&socket_connect_timeout=1.5", NO_TLS)
    assert found.tls == ServiceTls(ca_file="/ca", cert_file="/c", key_file="/k", verify=TlsVerify.CA)
    assert (found.db, found.timeout, found.dial_timeout) == (3, 2.0, 1.5)
    assert read_redis_url("redis+sentinel://s/main?ssl=true&db=2", NO_TLS).tls == NO_TLS
    assert read_redis_url("redis+sentinel://s/main?ssl=false", NO_TLS).tls is None
    none = read_redis_url("rediss://h?ssl_cert_reqs=none", NO_TLS).tls
    assert none is not None
    assert none.verify is TlsVerify.NONE


def test_libpqs_parameters_are_obeyed() -> None:
    """https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PARAMKEYWORDS"""
    found = read_postgres_url(
        "postgresql://a,[::1]:2/db?user=u&password=p&connect_timeout=3&keepalives_idle=60&keepalives=1"
        "&tcp_user_timeout=9000&sslmode=verify-full&sslrootcert=/ca&target_session_attrs=read-write"
        "&application_name=mine&channel_binding=prefer&gssencmode=disable&client_encoding=UTF8"
        "&options=-c%20statement_timeout%3D5s%20-c%20search_path%3Dapp"
    )
    assert (found.places, found.database) == ((("a", 5432), ("::1", 2)), "db")
    assert (found.user, found.password, found.dial_timeout) == ("u", "p", 3)
    assert found.keepalives == {"keepalives": 1, "keepalives_idle": 60, "tcp_user_timeout": 9000}
    assert found.driver == {
        "sslmode": "verify-full",
        "sslrootcert": "/ca",
        "target_session_attrs": "read-write",
    }
    assert (found.application_name, found.search_path) == ("mine", "app")
    assert found.options == "-c statement_timeout=5s -c search_path=app"


@pytest.mark.parametrize(
    ("url", "places", "path"),
    [
        ("postgresql:///db", (), SEARCH_PATH),
        ("postgresql://h/db?search_path=a,%22B%20c%22,$user", (("h", 5432),), 'a, "B c", "$user"'),
        ("postgresql://%2Frun%2Fpg/db", (("/run/pg", 5432),), SEARCH_PATH),
        ("postgresql:///db?host=/run/pg&port=6000", (("/run/pg", 6000),), SEARCH_PATH),
        ("postgresql:///db?host=a,b&port=1,2", (("a", 1), ("b", 2)), SEARCH_PATH),
        ("postgresql:///db?host=::1,b&port=7", (("::1", 7), ("b", 7)), SEARCH_PATH),
    ],
)
def test_places_and_search_path(url: str, places: tuple[object, ...], path: str) -> None:
    found = read_postgres_url(url)
    assert (found.places, found.search_path) == (places, path)


REFUSED = {
    "postgresql://h/d": """channel_binding=require gssencmode=require connect_timeout=0 connect_timeout=soon
        keepalives_idle=-1 keepalives_idle=x hostaddr=10.0.0.1 service=s servicefile=f require_auth=none
        replication=database client_encoding=latin1 sslmode=on sslcompression=1 load_balance_hosts=random
        target_session_attrs=any1 sslmod=require statement_timeout=5 default_transaction_read_only=on
        sslcrldir=d requiressl=1 sslrootcert=system sslnegotiation=direct search_path=a;b
        max_protocol_version=3.2 database=x pgbouncer=true""",
    "redis://h": """db=x db=-1 password=p username=u client_name=c protocol=3 decode_responses=true
        max_connections=5 socket_timeout=0 socket_timeout=nan ssl=maybe ssl_ca_certs=/ca""",
    "redis://h/1": "db=2",
    "rediss://h": "ssl=false ssl_cert_reqs=maybe ssl_password=p ssl_ca_path=/d",
    "redis+sentinel://h/main": "ssl_cert_reqs=none service=x db=x",
    "amqps://h/": """heartbeat=abc heartbeat=-1 heartbeat=5&heartbeat=6 verify=yes connection_timeout=5s
        connection_timeout=0 auth_mechanism=external frame_max=4096 channel_max=7 password=p
        ssl_options=%7B%7D socket_timeout=5 connection_attempts=3 heartbeats=5 depth=1""",
    "amqp://h/": "verify=verify_peer cacertfile=/ca",
}


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (f"{place}?{each}", each.partition("=")[0])
        for place, parameters in REFUSED.items()
        for each in parameters.split()
    ],
)
def test_what_is_not_obeyed_is_refused_by_name(url: str, name: str) -> None:
    """At the check of the configuration, with the reason."""
    variable = "RABBIT__ADDR" if url.startswith("amqp") else "STORE__URL"
    with pytest.raises(ConfigInvalid, match=rf"environment TASKRUNNER_{variable}: .*{name}") as caught:
        load(environ={f"TASKRUNNER_{variable}": url}, search=False)
    assert url not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "amqp://u@h/",
        "amqp://a,b/",
        "amqp:///",
        "amqp://h:0/",
        "amqp://h:5672x/",
        "amqp://[::1/",
        "amqp://h /",
    ],
)
def test_an_amqp_url_without_one_host_or_password_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match=r"password|host|blanks"):
        read_amqp_url(url, NO_TLS)


def test_redis_url_sets_what_it_says_of_tls() -> None:
    """And the section's own authorities stay where it says nothing."""
    environ = {"REDIS_URL": "rediss://h/?ssl_ca_certs=/ca&socket_timeout=3", "TASKRUNNER_REDIS__VERIFY": "CA"}
    redis = load(environ=environ, search=False).redis
    assert (redis.tls, redis.ca_file, redis.timeout, redis.verify) == (True, "/ca", 3.0, TlsVerify.CA)


@pytest.mark.parametrize("service", ["Redis", "Rabbit"])
def test_an_authority_that_cannot_be_read_is_named(service: str, tmp_path: Path) -> None:
    """With the section whose setting it is, before anything is dialled."""
    (tmp_path / "ca.pem").write_text("no certificate")
    for path in (tmp_path / "ca.pem", tmp_path / "none.pem"):
        with pytest.raises(ConfigInvalid, match=f"{service}: cannot use the TLS file {path}"):
            make_tls_context(ServiceTls(ca_file=str(path)), service)


def test_a_shown_setting_keeps_only_plain_parameters() -> None:
    """By a list of those that may be shown."""
    url = "postgresql://u:p@h/d?sslmode=require&sslpassword=s3cret&options=-c%20x%3Ds3cret&connect_timeout=5"
    shown = json.dumps(load(environ={"TASKRUNNER_STORE__URL": url}, search=False).redacted()["Store"]["url"])
    assert shown == '"postgresql://***@h/d?sslmode=require&sslpassword=***&options=***&connect_timeout=5"'
