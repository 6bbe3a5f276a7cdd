"""API keys and processes: who starts without one, where keys come from, and the lines to paste."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import services
from servers.ports import free_ports
from servers.process import end_with_parent

from taskrunner.domain.keys.api_key import new_secret
from tests.system.conftest import Deploy
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess, environment
from tests.tools.waiting import PATIENCE, wait_for

EVERYWHERE = "0.0.0.0"
VERBS = ("serve", "all")


def start(deployment: Deployment, verb: str) -> TaskrunnerProcess:
    return deployment.serve() if verb == "serve" else deployment.everything()


def status_of(running: TaskrunnerProcess, path: str, key: str | None = None) -> int:
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    with Client(running.port) as client:
        return client.request("GET", path, None, headers).status


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("section", ["API", "GRPC"])
def test_an_open_address_without_a_key_is_refused(deploy: Deploy, verb: str, section: str) -> None:
    """Exit code 2, and one line with both ways out."""
    ports = {"API__PORT": 0, "SERVER__PORT": 0, "GRPC__PORT": 0, "GRPC__ENABLED": True}
    done = deploy(**ports, **{f"{section}__ADDR": EVERYWHERE}).run(verb)
    assert done.returncode == 2
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("taskrunner: ")]
    setting = f"{section.capitalize()}.addr"
    assert line.startswith(f"taskrunner: {setting}: 0.0.0.0 can be reached from other machines")
    for way in ("`taskrunner keys create NAME --scope admin`", "Api.keys", "listen on 127.0.0.1"):
        assert way in line


@pytest.mark.parametrize("way", ["store", "environment", "file"])
@pytest.mark.parametrize("verb", VERBS)
def test_an_open_address_with_a_key_is_served(deploy: Deploy, tmp_path: Path, verb: str, way: str) -> None:
    """One that `keys create` made, or one of TASKRUNNER_API__KEYS or its file."""
    deployment = deploy(API__ADDR=EVERYWHERE)
    key = new_secret()
    if way == "store":
        made = deployment.run("keys", "create", "first", "--scope", "read")
        assert made.returncode == 0, made.stderr
        key = made.stdout.strip()
    elif way == "environment":
        deployment.settings["API__KEYS"] = f"first={key} read"
    else:
        (tmp_path / "keys").write_text(f"first={key} read\nsecond={new_secret()} submit\n")
        deployment.settings["API__KEYS_FILE"] = tmp_path / "keys"
    running = start(deployment, verb)
    assert [status_of(running, path) for path in ("/livez", "/readyz", "/health")] == [200, 200, 200]
    assert [status_of(running, path) for path in ("/tasks", "/stats")] == [401, 401]
    assert [status_of(running, path, key) for path in ("/tasks", "/stats", "/keys")] == [200, 403, 403]
    assert key not in running.logged()


@pytest.mark.parametrize("verb", VERBS)
def test_an_api_for_everybody_says_so(deploy: Deploy, verb: str) -> None:
    """`Api.auth: none` is a warning of the log at start, and stands in every `/health`."""
    running = start(deploy(API__ADDR=EVERYWHERE, API__AUTH="none"), verb)
    (line,) = [line for line in running.logged().splitlines() if "api_opened" in line]
    assert '"level":"warning"' in line
    assert '"address":"0.0.0.0"' in line
    assert running.get("/health").json["auth"] == "none"
    assert status_of(running, "/keys") == 200


def test_produce_uses_a_key_for_the_api(deploy: Deploy) -> None:
    """By the option or the variable; what is wrong is told with exit code 2, without the key."""
    key, other = new_secret(), new_secret()
    deployment = deploy(API__KEYS=f"web={key} submit")
    deployment.serve()
    task = (
        "produce",
        "--url",
        deployment.target.url("/keys"),
        "--api",
        f"http://127.0.0.1:{deployment.api.port}",
    )
    assert deployment.run(*task, "--key", key).returncode == 0
    assert deployment.run(*task, API_KEY=f"{key}\n").returncode == 0
    for words, told in (
        ((), "answered 401: this needs an API key"),
        (("--key", other), "answered 401: this API key is unknown"),
        (("--key", key, "--wait"), "answered 403: key 'web' lacks the scope read"),
        (("--key", "x"), "--key ($TASKRUNNER_API_KEY): must be tr_"),
    ):
        done = deployment.run(*task, *words)
        assert done.returncode == 2, done
        assert told in done.stderr
        assert not {key, other} & set(done.stderr.split())


def _is_ready(port: int) -> bool:
    try:
        with Client(port) as client:
            return client.get("/readyz").status == 200
    except OSError:
        return False


@pytest.fixture
def printed(rabbitmq_url: str, redis_url: str, tmp_path: Path, deploy: Deploy) -> Iterator[list[str]]:
    """The lines that `make run-servers` prints, while all that it starts runs."""
    api, server = free_ports(2)
    names = deploy()
    own = {
        "API__PORT": api,
        "SERVER__PORT": server,
        "RABBIT__EXCHANGE": names.name,
        "REDIS__PREFIX": f"{{{names.name}}}",
    }
    urls = {"TASKRUNNER_TEST_RABBITMQ_URL": rabbitmq_url, "TASKRUNNER_TEST_REDIS_URL": redis_url}
    script = Path(services.__file__).with_name("run_local.py")
    log = tmp_path / "printed.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, str(script)],
            stdout=output,
            stderr=output,
            env=environment(own) | urls,
            preexec_fn=end_with_parent,
        )
    try:
        for port in (api, server):
            wait_for(partial(_is_ready, port), "API and consumer are ready")
        yield log.read_text().splitlines()
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(PATIENCE) == 0


def test_the_printed_lines_work_as_they_are(printed: list[str], tmp_path: Path) -> None:
    """Each is pasted into a shell; a task by curl is accepted, and one by `produce` goes through the API."""

    def paste(*lines: str) -> str:
        script = "\n".join(lines)
        done = subprocess.run(
            ["sh", "-ec", script],
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            cwd=tmp_path,
            env=os.environ,
        )
        assert done.returncode == 0, done
        return done.stdout

    lines = [line.strip() for line in printed]
    post, health = [f"{line} -sS" for line in lines if line.startswith("curl ")]
    assert '"status":"' in paste(post)
    assert '"checks":' in paste(health)
    (export,) = [line for line in lines if line.startswith("export ")]
    (produce,) = [line for line in lines if " produce " in line]
    assert len(paste(export, produce.replace(" --wait", "")).strip()) == 36
