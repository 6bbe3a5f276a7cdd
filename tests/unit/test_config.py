"""The configuration: what is understood, what wins, and that every default is sound and documented."""

import re
from pathlib import Path

import config_file
import msgspec
import pytest

from taskrunner.config import Config, load
from taskrunner.config.cross_checks import find_contradictions
from taskrunner.domain.retries.retry_policy import RetryPolicy, Strategy
from taskrunner.domain.tasks.settlement import RetentionSettings
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.domain.tasks.task_settings import TaskDefaults

SHORT_FILE = """\
Server: {addr: "0.0.0.0", port: ":8080"}
Rabbit: {addr: "amqp://guest:guest@rabbitmq:5672/"}
Redis: {addr: "redis:6379", user: , password: , db: 0, maxRetries: 5, dialTimeout: 10, timeout: 5}
Logger: {level: "debug"}
"""


def load_text(tmp_path: Path, text: str, **environ: str) -> Config:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    return load(path, environ=environ)


def same_but_name(config: Config) -> dict[str, dict[str, object]]:
    values = config.redacted()
    del values["Workers"]["name"]
    return values


def test_the_short_file_loads_as_it_stands(tmp_path: Path) -> None:
    """The file that operators start from sets what it says, and all else is at its default."""
    config = load_text(tmp_path, SHORT_FILE)
    assert (config.server.addr, config.server.port) == ("0.0.0.0", 8080)
    assert config.rabbit.addr == ("amqp://guest:guest@rabbitmq:5672/",)
    assert (config.redis.addr, config.redis.user, config.redis.password) == (("redis:6379",), None, None)
    assert (config.redis.max_retries, config.redis.dial_timeout, config.redis.timeout) == (5, 10.0, 5.0)
    assert config.logger.level == "debug"
    expected = same_but_name(Config())
    expected["Logger"]["level"] = "debug"
    assert same_but_name(config) == expected


def test_no_file_and_no_environment_are_the_defaults(tmp_path: Path) -> None:
    """Nothing has to be configured."""
    assert same_but_name(load(environ={}, folder=tmp_path)) == same_but_name(Config())


def test_the_defaults_do_not_cross() -> None:
    """No pair of defaults contradicts itself."""
    assert find_contradictions(Config()) == []


def test_domain_values_follow_the_settings(tmp_path: Path) -> None:
    """What is configured is what the flow gets."""
    config = load_text(
        tmp_path,
        "Retry: {max_attempts: 3, strategy: Linear, base: 2, cap: 9, jitter: 0, delays: [1, 2]}\n"
        "Fetch: {timeout: 7, connect_timeout: 7}\nLimits: {max_labels: 4}\n"
        "Workers: {min_workers: 1, max_workers: 2, cooldown: 3, drain_within: 4}\n"
        "Retention: {succeeded: 60, failed: 70, cancelled: 80}\n",
    )
    policy = RetryPolicy(strategy=Strategy.LINEAR, base=2, cap=9, jitter=0, delays=(1, 2))
    assert config.task_defaults() == TaskDefaults(timeout=7, max_attempts=3, retry=policy)
    assert config.task_limits() == TaskLimits(max_labels=4, ssrf_policy=config.ssrf_policy())
    assert msgspec.structs.asdict(config.scaling_settings()) == {
        "min_workers": 1,
        "max_workers": 2,
        "cooldown": 3,
        "drain_within": 4,
    }
    assert config.retention_settings() == RetentionSettings(succeeded=60, failed=70, cancelled=80)


@pytest.mark.parametrize(
    "text", ["{high: {weight: 6}, low: {Weight: '2'}}", "{high: weight=6, low: 'weight = 2'}"]
)
def test_queues_have_weights(tmp_path: Path, text: str) -> None:
    """As keys or as text; a queue that is not named keeps its own."""
    weights = load_text(tmp_path, f"Queues: {text}").queues.weights()
    assert weights == {"high": 6, "medium": 4, "low": 2}


def test_a_queue_may_have_any_name(tmp_path: Path) -> None:
    """In the file as it is spelt, in the environment in small letters; without a weight it has the least."""
    text = "Queues: {reports: {weight: 3}, low: {weight: 2}, Bulk-mail_2: }"
    queues = load_text(tmp_path, text, TASKRUNNER_QUEUES__REPORTS="weight=4").queues
    expected = {"high": 16, "medium": 4, "low": 2, "reports": 4, "Bulk-mail_2": 1}
    assert queues.weights() == expected
    assert queues.redacted()["reports"] == {"weight": 4}


def test_the_environment_sets_a_weight(tmp_path: Path) -> None:
    config = load(environ={"TASKRUNNER_QUEUES__HIGH": "weight=7"}, folder=tmp_path)
    assert config.queues.high.weight == 7


@pytest.mark.parametrize("key", ["max_workers", "maxWorkers", "MaxWorkers", "MAX_WORKERS"])
@pytest.mark.parametrize("section", ["Workers", "workers", "WORKERS"])
def test_every_spelling_of_a_key_is_understood(tmp_path: Path, section: str, key: str) -> None:
    """Snake case, camel case, and any case of the section."""
    assert load_text(tmp_path, f"{section}: {{{key}: 7}}").workers.max_workers == 7


@pytest.mark.parametrize(
    ("text", "port"), [("8080", 8080), ('"8080"', 8080), ('":8081"', 8081), (":8081", 8081), ("0", 0)]
)
def test_a_port_can_begin_with_a_colon(tmp_path: Path, text: str, port: int) -> None:
    """Both the number and the form that other tools use."""
    assert load_text(tmp_path, f"Api:\n  port: {text}").api.port == port


@pytest.mark.parametrize(
    "text",
    ["[amqp://a:1/, amqps://b/]", '"amqp://a:1/, amqps://b/"', "\n  - amqp://a:1/\n  - amqps://b/"],
)
def test_brokers_are_a_list_or_a_text_with_commas(tmp_path: Path, text: str) -> None:
    """Several nodes of one cluster."""
    assert load_text(tmp_path, f"Rabbit:\n  addr: {text}").rabbit.addr == ("amqp://a:1/", "amqps://b/")


def test_a_password_stays_the_text_that_was_written(tmp_path: Path) -> None:
    """YAML would make numbers, dates or truth of these."""
    for password in ("0123", "1e3", "yes", "2024-01-01"):
        assert load_text(tmp_path, f"Redis: {{password: {password}}}").redis.password == password


@pytest.mark.parametrize(
    ("text", "addr"),
    [
        ("redis", "redis:6379"),
        ("10.0.0.1:7000", "10.0.0.1:7000"),
        ('"[::1]:7000"', "[::1]:7000"),
        ('"[::1]"', "[::1]:6379"),
    ],
)
def test_redis_has_a_default_port(tmp_path: Path, text: str, addr: str) -> None:
    """IPv6 keeps its brackets."""
    assert load_text(tmp_path, f"Redis: {{addr: {text}}}").redis.addr == (addr,)


def test_sentinels_are_a_list(tmp_path: Path) -> None:
    """With the name of the primary that they watch."""
    redis = load_text(tmp_path, "Redis: {addr: 'a:26379,b:26380', sentinel: main}").redis
    assert (redis.addr, redis.sentinel) == (("a:26379", "b:26380"), "main")


def test_lists_have_no_doubles_and_any_case(tmp_path: Path) -> None:
    """A queue that is named twice is served once."""
    assert load_text(tmp_path, "Workers: {queues: 'Low,HIGH,low'}").workers.queues == (
        "low",
        "high",
    )


def test_private_networks_are_canonical(tmp_path: Path) -> None:
    """Host bits are taken off, hosts stay."""
    config = load_text(tmp_path, "Fetch: {allow_private: '10.1.2.3/8,::1,db.internal', ports: '80,9000'}")
    assert config.fetch.allow_private == ("10.0.0.0/8", "::1", "db.internal")
    assert config.fetch.ports == (80, 9000)
    assert config.ssrf_policy().allow_private == config.fetch.allow_private
    assert config.ssrf_policy().ports == config.fetch.ports


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [("rabbitmq", 5672), ("redis", 6379)]),
        ("Rabbit: {addr: 'amqps://u:p@A.example,amqp://[::1]:5673'}", [("a.example", 5671), ("::1", 5673)]),
        ("Rabbit: {addr: 'memory://'}\nStore: {url: 'sqlite:///x.db'}", []),
        ("Redis: {addr: '[2001:DB8::1]:7000'}", [("2001:db8::1", 7000)]),
        ("Store: {url: 'rediss://:pw@r.example/3'}", [("r.example", 6379)]),
        ("Redis: {addr: 's1:1,s2:2', sentinel: main}", [("s1", 1), ("s2", 2)]),
        ("Store: {url: 'redis+sentinel://:p@s1,s2:2/main'}", [("s1", 26379), ("s2", 2)]),
        ("Store: {url: 'postgresql://u@a:1,b/db'}", [("a", 1), ("b", 5432)]),
        ("Store: {url: 'postgresql:///db?host=c,/run&port=7'}", [("c", 7)]),
        ("Fetch: {proxy: 'http://u:p@P.example:3128'}", [("p.example", 3128)]),
        ("Fetch: {proxy: 'http://p.example'}", [("p.example", 80)]),
        ("Fetch: {proxy: 'https://p.example'}", [("p.example", 443)]),
        ("Api: {addr: 10.0.0.5, port: 81}\nServer: {addr: 127.0.0.1}", [("10.0.0.5", 81)]),
    ],
)
def test_what_we_use_ourselves_is_no_target(
    tmp_path: Path, text: str, expected: list[tuple[str, int]]
) -> None:
    """Broker, store and our own pages, wherever the configuration says that they are."""
    config = load_text(tmp_path, text)
    found = set(config.ssrf_policy().endpoints)
    assert found >= set(expected)
    defaults = {("rabbitmq", 5672)} if "Rabbit" not in text else set()
    defaults |= {("redis", 6379)} if "Redis" not in text and "Store" not in text else set()
    assert found == set(expected) | defaults


def test_flags_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    """Each source hides the weaker ones, setting by setting, and is told as the origin."""
    path = tmp_path / "config.yaml"
    path.write_text("Rabbit: {prefetch: 1, heartbeat: 1}\nWorkers: {queues: low, lease: 40}")
    environ = {"TASKRUNNER_RABBIT__PREFETCH": "2", "WORKER_QUEUES": "medium,low", "WORKER_PREFETCH": "3"}
    config = load(path, flags={"Workers.queues": "high", "Workers.lease": None}, environ=environ)
    assert (config.rabbit.heartbeat, config.rabbit.prefetch) == (1, 2)
    assert (config.workers.queues, config.workers.lease) == (("high",), 40.0)
    assert config.sources == {
        "Rabbit.heartbeat": f"{path}:1",
        "Rabbit.prefetch": "environment TASKRUNNER_RABBIT__PREFETCH",
        "Workers.lease": f"{path}:2",
        "Workers.queues": "--queues",
    }


def test_defaults_of_a_command_count_where_nothing_is_given(tmp_path: Path) -> None:
    """As those of `dev`."""
    path = tmp_path / "config.yaml"
    path.write_text("Fetch: {allow_loopback: false}\n")
    given = {"Fetch.allow_loopback": True, "Api.auth": "loopback", "Api.port": 1, "Api.max_wait": 5}
    environ = {"TASKRUNNER_API__AUTH": "keys"}
    config = load(path, environ=environ, flags={"Api.port": 2}, defaults=given)
    assert (config.fetch.allow_loopback, config.api.auth, config.api.port) == (False, "keys", 2)
    assert config.api.max_wait == 5


def test_a_flag_takes_a_sequence(tmp_path: Path) -> None:
    """A command may have parsed the value already."""
    config = load(flags={"Workers.queues": ("low",)}, environ={}, folder=tmp_path)
    assert config.workers.queues == ("low",)


def test_a_flag_for_no_setting_is_our_own_mistake(tmp_path: Path) -> None:
    """It is not told as the operator's."""
    with pytest.raises(KeyError):
        load(flags={"Workers.quues": 1}, environ={}, folder=tmp_path)


def test_config_yaml_of_the_folder_is_found(tmp_path: Path) -> None:
    """Without being named, if it is there; `TASKRUNNER_CONFIG` and a path go before it."""
    (tmp_path / "config.yaml").write_text("Api: {port: 1}")
    (tmp_path / "named.yaml").write_text("Api: {port: 2}")
    (tmp_path / "given.yaml").write_text("Api: {port: 3}")
    environ = {"TASKRUNNER_CONFIG": str(tmp_path / "named.yaml")}
    assert load(environ={}, folder=tmp_path).api.port == 1
    assert load(environ=environ, folder=tmp_path).api.port == 2
    assert load(tmp_path / "given.yaml", environ=environ, folder=tmp_path).api.port == 3


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "Rabbit:\nRedis: {}\n", "\ufeffApi: {port: }"])
def test_empty_files_sections_and_values_are_the_defaults(tmp_path: Path, text: str) -> None:
    """What is empty says nothing."""
    assert same_but_name(load_text(tmp_path, text)) == same_but_name(Config())


def test_the_default_name_is_host_and_process() -> None:
    """Two consumers on one machine have two names."""
    assert re.fullmatch(r".+-\d+", Config().workers.name)


def test_a_configuration_does_not_change() -> None:
    """It is handed to many parts."""
    with pytest.raises(ValueError, match="frozen"):
        Config().workers.max_workers = 1  # type: ignore[misc]  # what the test is about


def test_the_documented_file_is_up_to_date() -> None:
    """It has every setting, with its default and its reason; `python scripts/config_file.py` writes it."""
    text = config_file.PATH.read_text()
    assert config_file.refreshed(text) == text


def test_the_documented_file_is_the_defaults_but_for_the_short_file(tmp_path: Path) -> None:
    """As it stands it equals the short file, which only moves the level of the log."""
    documented = load(config_file.PATH, environ={})
    assert same_but_name(documented) == same_but_name(load_text(tmp_path, SHORT_FILE))


def test_the_values_that_are_commented_out_are_the_defaults(tmp_path: Path) -> None:
    """Taking a comment sign away changes nothing."""
    every = re.sub(r"(?m)^  # (?=\w+:)", "  ", config_file.PATH.read_text())
    assert same_but_name(load_text(tmp_path, every)) == same_but_name(load_text(tmp_path, SHORT_FILE))
