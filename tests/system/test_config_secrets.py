"""A marked secret is put wherever a configuration can hold one: nothing that runs shows it."""

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from servers.ports import free_ports

from taskrunner.config import Config
from taskrunner.config.values import Secret
from tests.system.harness import command_line, process
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.system.harness.target import Target
from tests.tools.waiting import wait_for

MARK = "s3cretMarkS3cretMark"
# Nobody listens there.
AWAY = "127.0.0.1:1"
HOOK = "whsec_" + b64encode(MARK.encode() * 2).decode()
SIGNS = "whsec_" + b64encode(MARK.encode() * 3).decode()
KEY = f"tr_{MARK * 2}x"
Settings = Mapping[str, object]

SIGNING: Settings = {
    "CALLBACKS__SECRETS": f"hook={HOOK}, hook.hosts=*",
    "FETCH__CREDENTIALS": f"signed.keys={SIGNS}, signed.hosts=*, granted.token_url=https://login.test/, "
    f"granted.client_id=me, granted.client_secret={MARK}, granted.hosts=a.test",
    "API__KEYS": f"ops={KEY}",
}

# By the services that they need, which are all away.
SERVICES: dict[str, Settings] = {
    "amqp, redis": {
        "RABBIT__ADDR": f"amqp://me:{MARK}@{AWAY}/,amqp://me:{MARK}%2F@{AWAY}/v?heartbeat=5",
        "REDIS__ADDR": AWAY,
        "REDIS__USER": "me",
        "REDIS__PASSWORD": MARK,
    },
    "amqps, sentinel": {
        "RABBIT__ADDR": f"amqps://me:{MARK}@{AWAY}/",
        "REDIS__ADDR": AWAY,
        "REDIS__SENTINEL": "main",
        "REDIS__SENTINEL_PASSWORD": MARK,
        "REDIS__PASSWORD": MARK,
    },
    "redis url": {"RABBIT__ADDR": "memory://", "STORE__URL": f"rediss://me:{MARK}@{AWAY}/2"},
    "postgresql": {"RABBIT__ADDR": "memory://", "STORE__URL": f"postgresql://me:{MARK}@{AWAY}/db"},
    "postgresql parameters": {
        "RABBIT__ADDR": "memory://",
        "STORE__URL": f"postgresql://{AWAY}/db?user=me&password={MARK}&sslpassword={MARK}",
    },
}
COMMANDS = (("config", "show"), ("config", "show", "--json"), ("config", "check"))
WAITING = (("doctor",), ("produce", "--url", "http://a.test/"))


def in_every_form(text: str) -> bool:
    """Whether `text` has a secret, as it was given or as its bytes are used."""
    signing = (each.removeprefix("whsec_") for each in (HOOK, SIGNS))
    return any(form in text for form in (MARK, *signing, b64encode(MARK.encode()).decode()))


@pytest.fixture
def port() -> int:
    return free_ports(1)[0]


def everything(client: Client) -> Iterator[tuple[str, str]]:
    """What each readable route answers, with a key and without."""
    key = {"Authorization": f"Bearer {KEY}"}
    for endpoint in client.request("GET", "/", headers=key).json["endpoints"]:
        method, path = endpoint.split()
        # The stream of events has no end.
        if method == "GET" and "{" not in path and path != "/events":
            for headers in (key, {}):
                answer = client.request(method, path, headers=headers)
                yield path, f"{answer.headers}{answer.body.decode(errors='replace')}"


def printed(folder: Path, settings: Settings) -> Iterator[tuple[object, str]]:
    """What each command prints; those that wait for services that are away run side by side."""
    done = [command_line.run(folder, settings, *words) for words in COMMANDS]
    with ThreadPoolExecutor(len(WAITING)) as pool:
        done += pool.map(lambda words: process.run(folder, settings, *words), WAITING)
    for words, each in zip((*COMMANDS, *WAITING), done, strict=True):
        yield words, each.stdout + each.stderr


def test_every_kind_of_secret_is_tried() -> None:
    """A new setting that is marked as secret is to be added to this file."""
    tried = {
        *(name for settings in SERVICES.values() for name in settings),
        *SIGNING,
        "FETCH__PROXY",
    }
    secret = {
        f"{section.upper()}__{name.upper()}"
        for section, part in Config.model_fields.items()
        for name, field in getattr(part.annotation, "model_fields", {}).items()
        if any(isinstance(each, Secret) for each in field.metadata)
    }
    assert secret
    assert secret <= tried


@pytest.mark.parametrize("name", SERVICES)
def test_services_that_are_away_are_told_without_their_passwords(
    name: str, tmp_path: Path, port: int
) -> None:
    """By commands, by `/health` and every other page, and by the log."""
    settings = {
        **SERVICES[name],
        **SIGNING,
        "REDIS__DIAL_TIMEOUT": 1,
        "REDIS__MAX_RETRIES": 0,
        "RABBIT__DIAL_TIMEOUT": 1,
    }
    shown: list[tuple[object, str]] = []
    own = {"API__PORT": port, "SERVER__ADDR": "127.0.0.1", "SERVER__PORT": 0, "LOGGER__LEVEL": "debug"}
    serving = TaskrunnerProcess("all", port=port, log=tmp_path / "all.log", settings={**settings, **own})

    def answers() -> bool:
        assert serving.is_running, serving.logged()
        return serving.try_get("/livez") is not None

    try:
        wait_for(answers, "an answer of /livez")
        with Client(port) as client:
            key = {"Authorization": f"Bearer {KEY}"}

            def told() -> bool:
                return "127.0.0.1:1" in client.request("GET", "/health", headers=key).body.decode()

            wait_for(told, "/health names the service that is away")
            shown += everything(client)
            shown += printed(tmp_path, settings)
    finally:
        serving.stop()
    shown.append(("the log", serving.logged()))
    assert [each for each in shown if in_every_form(each[1])] == []


def test_what_runs_shows_no_secret(tmp_path: Path, port: int, target: Target) -> None:
    """A proxy that is away, a signed callback, an API key: in records, pages and the log."""
    settings: dict[str, object] = {
        **SIGNING,
        "RABBIT__ADDR": "memory://",
        "STORE__URL": f"sqlite:///{tmp_path}/taskrunner.db",
        "API__PORT": port,
        "SERVER__ADDR": "127.0.0.1",
        "SERVER__PORT": 0,
        "FETCH__ALLOW_LOOPBACK": True,
        "FETCH__PROXY": f"http://me:{MARK}@{AWAY}",
        "LOGGER__LEVEL": "debug",
    }
    assert command_line.run(tmp_path, settings, "db", "upgrade").returncode == 0
    running = TaskrunnerProcess("all", port=port, log=tmp_path / "all.log", settings=settings)
    shown: list[tuple[object, str]] = []
    try:
        running.wait_ready()
        with Client(port) as client:
            key = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
            callback = {"url": target.url("/hook"), "secret": "hook"}
            for task_id, url in (("a", "http://a.test/"), ("b", "https://b.test/")):
                task = {"id": task_id, "url": url, "max_attempts": 1, "callback": callback}
                answer = client.request("POST", "/tasks", json.dumps(task).encode(), key)
                assert answer.status == 202, answer

            def ended() -> bool:
                page = client.request("GET", "/tasks?status=failed", headers=key).json
                return {"a", "b"} <= {each["id"] for each in page["tasks"]}

            wait_for(ended, "both tasks have failed")
            shown += everything(client)
            for path in (
                "/tasks/a",
                "/tasks/a/attempts",
                "/tasks/a/attempts/1?format=har",
                "/tasks/a/explain",
            ):
                shown.append((path, client.request("GET", path, headers=key).body.decode()))
            wrong = {**key, "Authorization": f"Bearer {KEY}{MARK}"}
            shown.append(("a wrong key", str(client.request("GET", "/tasks", headers=wrong))))
    finally:
        running.stop()
    shown += printed(tmp_path, settings)
    shown.append(("the log", running.logged()))
    assert [each for each in shown if in_every_form(each[1])] == []
