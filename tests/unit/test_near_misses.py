"""Environment variables that are nearly ours are told; those of a platform are left alone."""

from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.config.keys import key_names, section_names
from taskrunner.domain.errors import ConfigInvalid


def findings_of(variable: str, value: str, folder: Path) -> list[str]:
    try:
        load(environ={variable: value}, folder=folder)
    except ConfigInvalid as exc:
        return [str(error) for error in exc.errors]
    return []


@pytest.mark.parametrize(
    ("variable", "meant"),
    [
        ("TASKRUNNER_WORKERS_MAX_WORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNNER_WORKERS_MAXWORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNNER_WORKERS_MAX_WORKER", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNNER_WORKERS.MAX_WORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNNER_WORKERS-MAX-WORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNNER_WORKERSMAX_WORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("taskrunner_workers__max_workers", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("Taskrunner_Workers__Max_Workers", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNER_WORKERS__MAX_WORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASK_RUNNER_WORKERS__MAX_WORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNNERS_WORKERS__MAX_WORKERS", "TASKRUNNER_WORKERS__MAX_WORKERS"),
        ("TASKRUNNER_REDIS_PASSWORD_FILE", "TASKRUNNER_REDIS__PASSWORD_FILE"),
        ("TASKRUNNER_STORE_URL", "TASKRUNNER_STORE__URL"),
        ("TASKRUNNER_API_PORT", "TASKRUNNER_API__PORT"),
        ("TASKRUNNER_CONFG", "TASKRUNNER_CONFIG"),
        ("TASKRUNNER_API_ULR", "TASKRUNNER_API_URL"),
        ("TASKRUNNER_API_KYE", "TASKRUNNER_API_KEY"),
        ("TASKRUNNER_APIKEY", "TASKRUNNER_API_KEY"),
        ("TASKRUNNER_API_KEYS", "TASKRUNNER_API__KEYS"),
        ("TASKRUNNER_API_KEYS_FILE", "TASKRUNNER_API__KEYS_FILE"),
        ("TASKRUNNER_REDIS_URL", "REDIS_URL"),
        ("TASKRUNNER_RABBITMQ_URL", "RABBITMQ_URL"),
        ("TASKRUNNER_MAX_RETRIES", "MAX_RETRIES"),
    ],
)
def test_a_near_miss_is_told(variable: str, meant: str, tmp_path: Path) -> None:
    """It is an error, as an unknown key is: a setting that does nothing is found too late."""
    assert findings_of(variable, "9", tmp_path) == [
        f"environment {variable}: is not read, did you mean {meant}?"
    ]


@pytest.mark.parametrize(
    "key", [f"{section}__{key}".upper() for section in section_names() for key in key_names(section)]
)
def test_one_underscore_is_told_for_every_setting(key: str, tmp_path: Path) -> None:
    """Whatever the setting is called; two settings whose names would be one are both good answers."""
    variable = f"TASKRUNNER_{key.replace('__', '_')}"
    (finding,) = findings_of(variable, "9", tmp_path)
    assert finding.startswith(f"environment {variable}: is not read, did you mean TASKRUNNER_")
    assert key.replace("_", "") in finding.replace("_", "")


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("TASKRUNNER_PORT", "tcp://10.0.0.1:8000"),
        ("TASKRUNNER_PORT_8000_TCP", "tcp://10.0.0.1:8000"),
        ("TASKRUNNER_PORT_8000_TCP_PROTO", "tcp"),
        ("TASKRUNNER_PORT_8000_TCP_PORT", "8000"),
        ("TASKRUNNER_PORT_8000_TCP_ADDR", "10.0.0.1"),
        ("TASKRUNNER_SERVICE_HOST", "10.0.0.1"),
        ("TASKRUNNER_SERVICE_PORT", "8000"),
        ("TASKRUNNER_SERVICE_PORT_HTTP", "8000"),
        ("TASKRUNNER_API_PORT", "tcp://10.0.0.1:8000"),
        ("TASKRUNNER_API_SERVICE_PORT", "8000"),
        ("TASKRUNNER_SERVER_PORT", "udp://10.0.0.1:8000"),
        ("TASKRUNNER_REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("TASKRUNNER_REDIS_PORT_6379_TCP_ADDR", "10.0.0.1"),
        ("TASKRUNNER_NAME", "/web/taskrunner"),
        ("TASKRUNNER_WORKERS_NAME", "/web/taskrunner_workers"),
        ("TASKRUNNER_ENV_PATH", "/bin"),
        ("TASKRUNNER_HOME", "/opt"),
        ("TASKRUNNER_VERSION", "1"),
        ("TASKRUNNER_IMAGE", "x"),
        ("TASKRUNNER_TEST_REDIS_URL", "redis://x"),
        ("TASKRUNNER_TEST_SERVICES", "1"),
        ("TASKRUNNER_API_URL", "http://x"),
        ("TASK_QUEUE_URL", "x"),
        ("TASKFILE", "x"),
        ("WORKERS_MAX_WORKERS", "9"),
        ("TASKRUNNER_WORKERS_MAX_WORKERS", ""),
    ],
)
def test_what_others_set_is_left_alone(variable: str, value: str, tmp_path: Path) -> None:
    """A service of our name in Kubernetes, a Docker link, and names that only begin like ours."""
    assert load(environ={variable: value}, folder=tmp_path).redacted() == Config().redacted()
