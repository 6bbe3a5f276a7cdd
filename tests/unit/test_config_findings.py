"""What is wrong in a configuration: told all at once, with its place, and without a secret."""

from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.config.cross_checks import find_contradictions
from taskrunner.domain.errors import ConfigInvalid

SECRET = "hunter2"


def findings_of(tmp_path: Path, text: str | bytes, **environ: str) -> list[str]:
    path = tmp_path / "config.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigInvalid) as caught:
        load(path, environ=environ)
    return [str(error).removeprefix(f"{tmp_path}/") for error in caught.value.errors]


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("Rabbit: {adr: x}", 'config.yaml: Rabbit.adr: unknown key, did you mean "addr"?'),
        ("Rabit: {addr: x}", 'config.yaml: Rabit: unknown section, did you mean "Rabbit"?'),
        ("Zebra: {a: 1}", "config.yaml: Zebra: unknown section, expected one of Server, Api, "),
        (
            "Redis: {password_fil: x}",
            'config.yaml: Redis.password_fil: unknown key, did you mean "password_file"?',
        ),
        ("Redis: {addr_file: x}", "config.yaml: Redis.addr_file: unknown key"),
        ("Rabbit: amqp://x", "config.yaml: Rabbit: must hold keys, each with a space after its colon"),
        ("Rabbit: [addr]", "config.yaml: Rabbit: must hold keys"),
        ("Rabbit: {prefetch: {a: 1}}", "config.yaml: Rabbit.prefetch: line 1: must be a value or a list"),
        ("Rabbit: {prefetch: yes}", "config.yaml: Rabbit.prefetch: must be a whole number"),
        ("Rabbit: {prefetch: [1]}", "config.yaml: Rabbit.prefetch: must be a whole number"),
        (
            "Rabbit: {prefetch: -1}",
            "config.yaml: Rabbit.prefetch: must be greater than or equal to 0, got '-1'",
        ),
        ("Rabbit: {exchange: amq.topic}", "config.yaml: Rabbit.exchange: must not begin with amq."),
        ("Redis: {tls: maybe}", "config.yaml: Redis.tls: must be true or false"),
        ("Redis: {prefix: taskrunner}", "config.yaml: Redis.prefix: must hold one hash tag"),
        ("Redis: {addr: 'redis://h'}", "config.yaml: Redis.addr: must be host:port; a whole URL goes into"),
        ("Redis: {addr: 'h:1/2'}", "config.yaml: Redis.addr: must be host:port, got 'h:1/2'"),
        ("Redis: {addr: 'a,b'}", "config.yaml: Redis.addr: several addresses are taken for Sentinels"),
        ("Redis: {addr: 'a b'}", "config.yaml: Redis.addr: must be a host name or an IP address"),
        ("Server: {port: 70000}", "config.yaml: Server.port: must be less than or equal to 65535"),
        ("Server: {port: '0.0.0.0:80'}", "config.yaml: Server.port: must be a whole number"),
        ("Server: {addr: '0.0.0.0:80'}", "config.yaml: Server.addr: must be a host name or an IP address"),
        ("Server: {addr: 300.1.1.1}", "config.yaml: Server.addr: must be a host name or an IP address"),
        ("Logger: {level: loud}", "config.yaml: Logger.level: must be 'debug', 'info', 'warning' or 'error'"),
        ("Fetch: {timeout: 30 s}", "config.yaml: Fetch.timeout: must be seconds, or a duration such as"),
        ("Fetch: {timeout: .inf}", "config.yaml: Fetch.timeout: must be seconds, or a duration such as"),
        (
            "Fetch: {allow_private: 10.0.0.0/33}",
            "config.yaml: Fetch.allow_private: must be addresses such as",
        ),
        ("Fetch: {allow_private: 'a b'}", "config.yaml: Fetch.allow_private: must be a host name"),
        ("Fetch: {ports: [0]}", "config.yaml: Fetch.ports: must be greater than or equal to 1"),
        (
            "Fetch: {user_agent: 'a\u00e9'}",
            "config.yaml: Fetch.user_agent: the value of 'User-Agent' must be",
        ),
        (
            "Retry: {strategy: expo}",
            "config.yaml: Retry.strategy: must be 'constant', 'linear' or 'exponential'",
        ),
        (
            "Queues: {high: {weight: 0}}",
            "config.yaml: Queues.high.weight: must be greater than or equal",
        ),
        ("Queues: {high: {weigth: 1}}", "config.yaml: Queues.high: must be such as weight=4, got 'weigth'"),
        ("Queues: {high: 5}", "config.yaml: Queues.high: must be such as weight=4, got '5'"),
        ("Queues: {a.b: weight=5}", "config.yaml: Queues.a.b: must be 1 to 64 letters, digits, _ or -"),
        ("Queues: {dead: weight=5}", "config.yaml: Queues.dead: must not be 'dead', which is a name"),
        ("Queues: {reports: {weight: 0}}", "config.yaml: Queues.reports.weight: must be greater than or"),
        (
            f"Queues: {{{', '.join(f'q{n}: ' for n in range(98))}}}",
            "config.yaml: Queues.q97: is one of 101 queues, at most 100",
        ),
        ("Workers: {name: 'a b'}", "config.yaml: Workers.name: string should match pattern"),
        ("Redis: {db: !!python/name:os.system 1}", "config.yaml: Redis.db: put a value that begins with !"),
        ("Redis: {password: !secret x}", "config.yaml: Redis.password: put a value that begins with !"),
        ("Api: {port: 1, port: 2}", "config.yaml: Api.port: is given twice; keep one"),
        ("Workers: {max_workers: 7, maxWorkers: 8}", "config.yaml: Workers.maxWorkers: sets the same as"),
        ("Api: {port: 1}\nAPI: {port: 2}", "config.yaml: API: line 2: is given twice; keep one"),
        ("Api: {port: 1}\nApi:", "config.yaml: Api: line 2: is given twice; keep one"),
        ("- a\n- b", "config.yaml: must hold sections such as Rabbit: and Redis:"),
        ("just text", "config.yaml: must hold sections such as"),
        ("{? [a] : b}", "config.yaml: : unknown section"),
        ("Api: {port: 1", "config.yaml: line 1, column 14: "),
        (
            "Api:\n\tport: 1",
            "config.yaml: line 2, column 1: found character '\\t' that cannot start any token",
        ),
        ("a: b: c", "config.yaml: line 1, column 5: mapping values are not allowed here"),
        (
            'Api: {addr: "x"\nRabbit: {',
            "config.yaml: line 2, column 1: expected ',' or '}', but got '<scalar>' "
            "(while parsing a flow mapping)",
        ),
        ("Api: {}\n---\nApi: {}", "config.yaml: line 2, column 1: but found another document"),
        ("[" * 500, "config.yaml: is nested too deeply"),
        (b"Api: \xff", "config.yaml: byte 5: is not UTF-8 text"),
        (b"Api: \x00", "config.yaml: holds characters that YAML does not allow"),
        (b"#" * 1_100_000, "config.yaml: is larger than 1 MiB"),
    ],
)
def test_a_bad_file_is_one_line_with_its_place(tmp_path: Path, text: str | bytes, finding: str) -> None:
    """Never a traceback, whatever the file holds."""
    findings = findings_of(tmp_path, text)
    assert len(findings) == 1, findings
    assert findings[0].startswith(finding)
    assert "\n" not in findings[0]


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    """By its path, both for the one given and for the one that the environment names."""
    for path, environ in (
        (tmp_path / "none.yaml", {}),
        (None, {"TASKRUNNER_CONFIG": str(tmp_path / "none.yaml")}),
    ):
        with pytest.raises(ConfigInvalid, match=r"none\.yaml: cannot be read: No such file or directory"):
            load(path, environ=environ)


def test_everything_is_told_at_once(tmp_path: Path) -> None:
    """Every source, unknown keys, bad values and crossed limits in one go."""
    text = "Rabbit: {adr: x, prefetch: many}\nWorkers: {min_workers: 60}\nLogger: {level: 1}"
    findings = findings_of(tmp_path, text, MAX_RETRIES="x", TASKRUNNER_REDIS__DB="y", TASKRUNNER_X__Y="1")
    assert len(findings) == 7
    assert any("must be at most Workers.max_workers (50)" in finding for finding in findings)


def test_a_broken_file_does_not_hide_a_broken_environment(tmp_path: Path) -> None:
    """Both are told."""
    assert len(findings_of(tmp_path, "a: b: c", MAX_RETRIES="x")) == 2


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("Workers: {min_workers: 60}", ("Workers.min_workers", "Workers.max_workers")),
        ("Workers: {lease: 29}", ("Fetch.timeout", "Workers.lease")),
        ("Fetch: {timeout: 31}", ("Fetch.timeout", "Workers.lease")),
        ("Redis: {timeout: 30}", ("Redis.timeout", "Workers.lease")),
        ("Limits: {max_timeout: 29}", ("Fetch.timeout", "Limits.max_timeout")),
        ("Fetch: {timeout: 9}", ("Fetch.connect_timeout", "Fetch.timeout")),
        ("Fetch: {max_body_bytes: 10}", ("Fetch.store_body_bytes", "Fetch.max_body_bytes")),
        ("Retry: {base: 301}", ("Retry.base", "Retry.cap")),
        ("Retry: {max_attempts: 101}", ("Retry.max_attempts", "Limits.max_attempts")),
        ("Limits: {max_header_bytes: 20000}", ("Limits.max_header_bytes", "Limits.max_headers_bytes")),
        ("Limits: {max_body_bytes: 600000}", ("Limits.max_body_bytes", "Api.max_request_bytes")),
        ("Api: {max_request_bytes: 262144}", ("Limits.max_body_bytes", "Api.max_request_bytes")),
        ("Relay: {hold: 5}", ("Rabbit.publish_timeout", "Relay.hold")),
        ("Relay: {forgotten_after: 10}", ("Relay.hold", "Relay.forgotten_after")),
    ],
)
def test_crossed_limits_name_both_settings(tmp_path: Path, text: str, keys: tuple[str, str]) -> None:
    """The finding stands at the one that was set, and shows both values."""
    (finding,) = findings_of(tmp_path, text)
    section, _, rest = text.partition(": {")
    assert finding.startswith(f"config.yaml: {section}.{rest.partition(':')[0]}: ")
    assert all(f"{key} (" in finding for key in keys)


def test_a_crossing_stands_at_the_strongest_source(tmp_path: Path) -> None:
    """Whoever set the last of the two has to look first."""
    text = "Workers: {min_workers: 20, max_workers: 60}"
    (finding,) = findings_of(tmp_path, text, TASKRUNNER_WORKERS__MIN_WORKERS="70")
    assert finding.startswith("environment TASKRUNNER_WORKERS__MIN_WORKERS: Workers.min_workers (70) must be")
    (finding,) = findings_of(tmp_path, text, TASKRUNNER_WORKERS__MAX_WORKERS="9")
    assert finding.startswith("environment TASKRUNNER_WORKERS__MAX_WORKERS: Workers.min_workers (20) must be")


def test_limits_that_just_meet_do_not_cross() -> None:
    """The ends of a range may be equal."""
    workers = {"min_workers": 50, "lease": 30}
    assert find_contradictions(Config.model_validate({"workers": workers, "fetch": {"timeout": 30}})) == []


@pytest.mark.parametrize(
    ("text", "environ"),
    [
        (f"Rabbit: {{addr: 'http://u:{SECRET}@h/'}}", {}),
        (f"Rabbit: {{addr: 'amqp://u:{SECRET}/x@h:x/'}}", {}),
        (f"Rabbit: {{addr: 'amqp:/u:{SECRET}@h'}}", {}),
        (f"Rabbit: {{addr: [['{SECRET}']]}}", {}),
        (f"Redis: {{addr: 'redis://u:{SECRET}@h/'}}", {}),
        (f"Fetch: {{proxy: 'socks5://u:{SECRET}@h/'}}", {}),
        (f"Fetch: {{proxy: 'http://u:{SECRET}@h/x'}}", {}),
        (f"Fetch: {{proxy: 'http://u:{SECRET}/x@h'}}", {}),
        (f"Fetch: {{proxy: 'http://{SECRET} x'}}", {}),
        (f"Redis: {{addr: 'u:{SECRET}@h'}}", {}),
        (f"Redis: {{password:{SECRET}}}", {}),
        (f"Redis: {{password: [{SECRET}]}}", {}),
        (f"Redis: {{password: *{SECRET}}}", {}),
        (f"Redis: {{password: !{SECRET} }}", {}),
        (f"Redis:\n  password:{SECRET}\n", {}),
        (f"Redis:\n  password:{SECRET}\n  db: 1\n", {}),
        (f"Redis: {{passwrd: {SECRET}}}", {}),
        (f"Redis: {{password: {SECRET * 1000}}}", {}),
        ("", {"RABBITMQ_URL": f"amqp//u:{SECRET}@h"}),
        ("", {"RABBITMQ_URL": f"amqp://u:{SECRET}"}),
        ("", {"REDIS_URL": f"redis://u:{SECRET}@h:x"}),
        ("", {"REDIS_URL": f"{SECRET}@h:1"}),
        ("", {"REDIS_URL": f"redis+sentinel://u:{SECRET}/main"}),
        ("", {"REDIS_URL": f"redis+sentinel://u:{SECRET}@h:x/main"}),
        ("", {"TASKRUNNER_RABBIT__ADDR": f"amqp://h/,u:{SECRET}@h"}),
        ("", {"TASKRUNNER_REDIS__PASWORD": SECRET}),
        (f"Rabbit: {{addr: 'amqp://h/?passwd={SECRET}'}}", {}),
        (f"Rabbit: {{addr: 'amqps://u:{SECRET}@h/?verify=no'}}", {}),
        (f"Redis: {{sentinel_password: [{SECRET}]}}", {}),
        (f"Store: {{url: 'postgresql://u:{SECRET}@h:x/db'}}", {}),
        (f"Store: {{url: 'postgresql://u:{SECRET}/db@h'}}", {}),
        (f"Store: {{url: 'postgresql://h/db?sslpassword={SECRET}&nope=1'}}", {}),
        (f"Store: {{url: 'redis://:{SECRET}@h/zz'}}", {}),
        (f"Store: {{url: 'redis://h/?password={SECRET}&db=x'}}", {}),
        (f"Store: {{url: 'mysql://u:{SECRET}@h/'}}", {}),
        (f"Store: {{url: 'sqlite://u:{SECRET}@h/x'}}", {}),
        (f"Callbacks: {{secrets: {SECRET}}}", {}),
        (f"Callbacks: {{secrets: {{hook: {SECRET}}}}}", {}),
        (f"Callbacks: {{secrets: {{hook: {{keys: whsec_{SECRET}!, hosts: a.test}}}}}}", {}),
        (f"Callbacks: {{secrets: {{hook: {{keys: [[{SECRET}]], hosts: a.test}}}}}}", {}),
        (f"Callbacks: {{secrets: {{hook: {{keys: whsec_{SECRET * 4}}}}}}}", {}),
        (f"Callbacks: {{secrets: {{hook: {{key: whsec_{SECRET}}}}}}}", {}),
        (f"Callbacks: {{secrets: {{whsec_{SECRET}: hook}}}}", {}),
        ("", {"TASKRUNNER_CALLBACKS__SECRETS": f"hook=whsec_{SECRET * 4}"}),
        ("", {"TASKRUNNER_CALLBACKS__SECRETS": f"whsec_{SECRET * 4}"}),
        (f"Api: {{keys: {SECRET}}}", {}),
        (f"Api: {{keys: {{ops: {SECRET}}}}}", {}),
        (f"Api: {{keys: {{ops: tr_{SECRET}}}}}", {}),
        (f"Api: {{keys: {{ops: [tr_{SECRET}]}}}}", {}),
        (f"Api: {{keys: {{tr_{SECRET}: ops}}}}", {}),
        ("", {"TASKRUNNER_API__KEYS": f"ops=tr_{SECRET}"}),
        ("", {"TASKRUNNER_API__KEYS": f"tr_{SECRET}"}),
    ],
)
def test_no_finding_holds_a_secret(tmp_path: Path, text: str, environ: dict[str, str]) -> None:
    """However it got to where it does not belong."""
    findings = findings_of(tmp_path, text, **environ)
    assert SECRET not in "\n".join(findings)


def test_no_picture_of_a_configuration_holds_a_secret() -> None:
    """Neither what `config show` prints nor what a debugger would."""
    config = load(
        Path("/dev/null"),
        environ={
            "REDIS_URL": f"redis://me:{SECRET}@h/1",
            "RABBITMQ_URL": f"amqp://me:{SECRET}@a/,amqp://b/",
            "TASKRUNNER_FETCH__PROXY": f"http://me:{SECRET}@p:1",
        },
    )
    redacted = config.redacted()
    assert redacted["Redis"]["password"] == "***"
    assert redacted["Fetch"]["proxy"] == "http://***@p:1"
    assert redacted["Rabbit"]["addr"] == ["amqp://***@a/", "amqp://b/"]
    assert SECRET not in f"{redacted}{config!r}{config}{config.redis!r}{config.fetch!r}"
    assert Config().redacted()["Redis"]["password"] is None
