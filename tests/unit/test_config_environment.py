"""The environment: our own names, those that operators already use, and secrets in files."""

from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.domain.errors import ConfigInvalid


@pytest.fixture(autouse=True)
def _in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load_with(**environ: str) -> Config:
    return load(environ=environ)


def findings_of(**environ: str) -> list[str]:
    with pytest.raises(ConfigInvalid) as caught:
        load(environ=environ)
    return [str(error) for error in caught.value.errors]


def test_every_operators_name_sets_its_dial() -> None:
    """The names that are in use before taskrunner comes."""
    config = load_with(
        RABBITMQ_URL="amqp://a/,amqp://b/",
        REDIS_URL="redis://cache:7000/2",
        WORKER_QUEUES="high, low",
        WORKER_PREFETCH="7",
        MAX_RETRIES="2",
        RETRY_DELAYS_SECONDS="1,2.5,600",
        OUTBOX_POLL_INTERVAL="0.1",
        OUTBOX_BATCH_SIZE="9",
        OUTBOX_MAX_ATTEMPTS="4",
    )
    assert config.rabbit.addr == ("amqp://a/", "amqp://b/")
    assert (config.redis.addr, config.redis.db) == (("cache:7000",), 2)
    assert config.workers.queues == ("high", "low")
    assert config.rabbit.prefetch == 7
    assert config.retry.max_attempts == 3
    assert config.retry.delays == (1.0, 2.5, 600.0)
    assert (config.relay.poll_interval, config.relay.batch_size, config.relay.max_attempts) == (0.1, 9, 4)


def test_our_own_name_wins_over_the_operators() -> None:
    """The name with our prefix was meant for us alone."""
    config = load_with(WORKER_PREFETCH="7", TASKRUNNER_RABBIT__PREFETCH="8")
    assert config.rabbit.prefetch == 8


def test_an_empty_variable_is_none() -> None:
    """Container tools pass on what was not given as an empty text."""
    assert load_with(RABBITMQ_URL="", TASKRUNNER_REDIS__DB="", MAX_RETRIES="").rabbit == Config().rabbit


def test_names_without_two_underscores_are_not_ours_to_judge() -> None:
    """Other parts have variables with our prefix as well."""
    assert load_with(TASKRUNNER_TEST_REDIS_URL="x", TASKRUNNER_HOME="y").redis == Config().redis


def test_a_redis_url_is_all_there_is_to_know() -> None:
    """User, password, number of the database and encryption, with percent signs undone."""
    redis = load_with(REDIS_URL="rediss://me:p%40ss%2F@[::1]:7000/3").redis
    assert (redis.addr, redis.user, redis.password, redis.db, redis.tls) == (
        ("[::1]:7000",),
        "me",
        "p@ss/",
        3,
        True,
    )


def test_no_password_of_the_file_goes_to_the_server_of_a_url(tmp_path: Path) -> None:
    """A URL without a password says that there is none."""
    (tmp_path / "config.yaml").write_text("Redis: {addr: 'a:1', user: me, password: hunter2, db: 4}")
    redis = load_with(REDIS_URL="redis://b").redis
    assert (redis.addr, redis.user, redis.password, redis.db) == (("b:6379",), None, None, 0)


def test_a_redis_url_may_name_sentinels(tmp_path: Path) -> None:
    """Their port has a default of its own; a plain URL says that there are none."""
    redis = load_with(REDIS_URL="rediss+sentinel://me:p%40ss@s1,s2:7000/main/3").redis
    assert (redis.addr, redis.sentinel) == (("s1:26379", "s2:7000"), "main")
    assert (redis.user, redis.password, redis.db, redis.tls) == ("me", "p@ss", 3, True)
    (tmp_path / "config.yaml").write_text("Redis: {addr: 'a:1', sentinel: main}")
    assert load_with(REDIS_URL="redis://b").redis.sentinel is None


def test_secrets_come_from_files(tmp_path: Path) -> None:
    """All four ways, without the line break that editors leave."""
    (tmp_path / "secret").write_text("hunter2\n")
    (tmp_path / "url").write_text("redis://:pw@b/1\r\n")
    (tmp_path / "rabbit").write_text("amqp://u:p@b/\n")
    assert load_with(TASKRUNNER_REDIS__PASSWORD_FILE=str(tmp_path / "secret")).redis.password == "hunter2"
    assert load_with(REDIS_URL_FILE=str(tmp_path / "url")).redis.password == "pw"
    assert load_with(RABBITMQ_URL_FILE=str(tmp_path / "rabbit")).rabbit.addr == ("amqp://u:p@b/",)
    (tmp_path / "config.yaml").write_text("Redis: {password: , passwordFile: secret}")
    assert load_with().redis.password == "hunter2"


def test_a_secret_file_is_found_beside_the_file_that_names_it(tmp_path: Path) -> None:
    """Where taskrunner was started from has no say."""
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "secret").write_text("amqp://u:p@b/")
    (folder / "other.yaml").write_text("Rabbit: {addr_file: secret}")
    assert load(folder / "other.yaml", environ={}).rabbit.addr == ("amqp://u:p@b/",)


@pytest.mark.parametrize(
    ("variable", "value", "finding"),
    [
        ("TASKRUNNER_WORKER__LEASE", "1", 'unknown section, did you mean "WORKERS"?'),
        ("TASKRUNNER_WORKERS__MAX_WORKER", "1", 'unknown key, did you mean "MAX_WORKERS"?'),
        ("TASKRUNNER_WORKERS__LEASE_FILE", "x", "unknown key"),
        (
            "TASKRUNNER_RABBIT__PREFETCH",
            "many",
            "must be a whole number",
        ),
        ("TASKRUNNER_LOGGER__LEVEL", "inof", 'did you mean "info"?'),
        (
            "WORKER_QUEUES",
            "a b",
            "must be 1 to 64 letters, digits, _ or -, got 'a b'",
        ),
        ("WORKER_QUEUES", ",", "at least 1"),
        ("MAX_RETRIES", "-1", "must be a whole number, 0 or more, got '-1'"),
        ("MAX_RETRIES", "few", "must be a whole number, 0 or more, got 'few'"),
        ("RETRY_DELAYS_SECONDS", "1,-2", "greater than or equal to 0"),
        ("RETRY_DELAYS_SECONDS", "1,nan", "got 'nan'"),
        ("OUTBOX_POLL_INTERVAL", "0", "greater than 0"),
        ("OUTBOX_BATCH_SIZE", "0", "greater than or equal to 1"),
        ("RABBITMQ_URL", "http://a/", "must start with amqp:// or amqps://"),
        ("RABBITMQ_URL", "amqp://a:99999/", "no usable host or port"),
        ("REDIS_URL", "cache:6379", "must be redis://"),
        ("REDIS_URL", "redis://:6379", "no usable host or port"),
        (
            "REDIS_URL",
            "redis://cache/zero",
            "must be redis://[user:password@]host[:port][/number of the database]",
        ),
        ("REDIS_URL", "redis+sentinel://s1,s2", "must be redis+sentinel://"),
        ("REDIS_URL", "redis+sentinel://s1,,s2/main", "no usable host or port"),
        ("REDIS_URL", "redis+sentinel://s1/main/zero", "must be redis+sentinel://"),
    ],
)
def test_a_bad_variable_is_named(variable: str, value: str, finding: str) -> None:
    """Each finding begins with where it comes from."""
    findings = findings_of(**{variable: value})
    assert len(findings) == 1
    assert findings[0].startswith(f"environment {variable}: ")
    assert finding in findings[0]


def test_one_dial_by_two_variables_is_refused() -> None:
    """Nobody could say which was meant."""
    (finding,) = findings_of(TASKRUNNER_REDIS__DB="1", TASKRUNNER_REDIS__D_B="1")
    assert finding.startswith("environment TASKRUNNER_REDIS__D_B: ")
    assert "the same as environment TASKRUNNER_REDIS__DB;" in finding
    assert findings_of(REDIS_URL="redis://a", REDIS_URL_FILE="x") == [
        "environment REDIS_URL_FILE: sets the same as environment REDIS_URL; keep one of them"
    ]


def test_unusable_secret_files_are_named(tmp_path: Path) -> None:
    """Missing, empty, too large, or no text."""
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "large").write_bytes(b"x" * 70_000)
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for name, problem in {
        "missing": "cannot read missing: No such file or directory",
        ".": "cannot read .: Is a directory",
        "empty": "empty is empty",
        "large": "large is larger than 64 KiB",
        "binary": "binary is not UTF-8 text",
    }.items():
        assert findings_of(TASKRUNNER_REDIS__PASSWORD_FILE=name) == [
            f"environment TASKRUNNER_REDIS__PASSWORD_FILE: {problem}"
        ]
        assert findings_of(REDIS_URL_FILE=name) == [f"environment REDIS_URL_FILE: {problem}"]
