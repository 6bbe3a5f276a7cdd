"""Credentials from end to end: real processes, and a target that verifies what it gets as documented."""

import json
import re
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest

from tests.system.conftest import Deploy
from tests.system.fetch.test_credentials import NEW, OLD, token_of, whsec
from tests.system.harness.deployment import Deployment
from tests.system.harness.http import Client
from tests.system.harness.process import TaskrunnerProcess
from tests.tools import behaviours
from tests.tools.hostile import Hostile, Seen
from tests.tools.token_keys import ec_pem, rsa_pem
from tests.tools.waiting import wait_for

ISSUER = "https://tasks.example"
PAGE = Path(__file__).parents[2] / "docs/tasks.md"


def documented(name: str, changes: Mapping[str, str] | None = None) -> Callable[..., Any]:
    """A function of the documentation's examples, with other texts in place of its own."""
    [code] = [
        each
        for each in re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
        if f"def {name}" in each
    ]
    for old, new in (changes or {}).items():
        assert old in code
        code = code.replace(old, new)
    names: dict[str, Any] = {}
    exec(code, names)
    found: Callable[..., Any] = names[name]
    return found


def headers_of(seen: Seen) -> dict[str, str]:
    return {name.lower(): value for name, value in seen.headers}


def hang_up(deployment: Deployment) -> None:
    """Have all processes read their configuration again, and wait until they have."""
    for process in deployment.processes:
        _hang_up(process)


def _hang_up(process: TaskrunnerProcess) -> None:
    before = process.logged().count("config_reloaded")
    process.signal(signal.SIGHUP)
    wait_for(lambda: process.logged().count("config_reloaded") > before, "config_reloaded")


class Scene:
    """`serve` and `consume` whose credentials are in a file, and a target that sees all requests."""

    def __init__(self, deploy: Deploy, folder: Path, target: Hostile) -> None:
        self._file, self._target = folder / "credentials", target
        self.url = target.url(behaviours.answer)
        self.deployment = deploy(
            FETCH__CREDENTIALS_FILE=self._file,
            FETCH__ISSUER=ISSUER,
            FETCH__PORTS=urlsplit(self.url).port,
        )

    def write(self, *lines: str) -> None:
        self._file.write_text("\n".join(lines))

    def start(self) -> None:
        self.deployment.serve()
        self.deployment.consume()

    def request_of(self, **fields: object) -> tuple[Seen, str]:
        """The request that a task makes, and the task's id."""
        before = len(self._target.ledger.requests)
        task_id = self.deployment.submit(self.url, **fields)
        assert self.deployment.wait_finished(task_id)["status"] == "succeeded"
        [seen] = self._target.ledger.requests[before:]
        return seen, task_id

    def refusal(self, **fields: object) -> str:
        """What a submit is refused for."""
        with Client(self.deployment.api.port) as client:
            answer = client.post("/tasks", {"url": self.url, **fields})
        assert answer.status == 422
        return str(answer.json["errors"])


@pytest.fixture
def scene(deploy: Deploy, tmp_path: Path) -> Any:
    with Hostile() as target:
        yield Scene(deploy, tmp_path, target)


def test_a_signed_request_is_verified_while_keys_change(scene: Scene) -> None:
    """Old key, both, new key: each change by SIGHUP, and no secret is told anywhere."""
    verify = documented("verify_signature")
    scene.write(f"erp.keys={whsec(OLD)}", "erp.hosts=127.0.0.1", f"far.keys={whsec(OLD)}", "far.hosts=a.test")
    scene.start()
    seen, task_id = scene.request_of(method="POST", body={"a": 1}, auth="erp")
    verify(headers_of(seen), seen.body, whsec(OLD))
    for wrong in (seen.body + b" ", b""):
        with pytest.raises(ValueError, match="wrong"):
            verify(headers_of(seen), wrong, whsec(OLD))
    with pytest.raises(ValueError, match="wrong"):
        verify(headers_of(seen), seen.body, whsec(NEW))
    scene.write(f"erp.keys={whsec(OLD)}", f"erp.keys={whsec(NEW)}", "erp.hosts=127.0.0.1")
    hang_up(scene.deployment)
    seen, _ = scene.request_of(method="POST", body={"a": 1}, auth="erp")
    verify(headers_of(seen), seen.body, whsec(OLD))
    verify(headers_of(seen), seen.body, whsec(NEW))
    assert "no credential is configured" in scene.refusal(auth="far")
    scene.write(f"erp.keys={whsec(NEW)}", "erp.hosts=127.0.0.1", "far.keys=" + whsec(OLD), "far.hosts=a.test")
    hang_up(scene.deployment)
    seen, _ = scene.request_of(auth="erp")
    verify(headers_of(seen), seen.body, whsec(NEW))
    assert "not for the host" in scene.refusal(auth="far")
    assert 'did you mean \\"erp\\"' in json.dumps(scene.refusal(auth="erpp"))

    deployment = scene.deployment
    told = [deployment.run("task", "show", task_id).stdout, deployment.run("config", "show").stdout]
    for form in ("json", "har", "curl"):
        shown = deployment.run("task", "show", task_id, "--attempt", "1", "--format", form)
        assert "erp" in shown.stdout
        told.append(shown.stdout)
    told += [text for _, text in deployment.logs(1000)]
    hidden = [whsec(OLD).removeprefix("whsec_"), whsec(NEW).removeprefix("whsec_"), "v1,"]
    assert not [each for each in hidden for text in told if each in text]


def test_a_token_is_verified_by_the_published_keys(scene: Scene, tmp_path: Path) -> None:
    """By a library that only knows our API and keeps the keys; also those of a key that was published before.

    The files keep their names: SIGHUP reads them again.
    """
    key_file, other_file = tmp_path / "billing.pem", tmp_path / "other.pem"
    first, second = rsa_pem(), ec_pem()
    key_file.write_text(first)
    other_file.write_text(second)
    scene.write(
        f"billing.key_file={key_file}", f"billing.other_key_file={other_file}", "billing.hosts=127.0.0.1"
    )
    scene.start()
    origin = f"http://{urlsplit(scene.url).netloc}"
    ours = f"http://127.0.0.1:{scene.deployment.api.port}/.well-known/jwks.json"
    texts = {f"{ISSUER}/.well-known/jwks.json": ours, "https://billing.example": origin}
    verify = documented("verify_token", texts)
    seen, task_id = scene.request_of(auth="billing")
    claims = verify(headers_of(seen))
    assert (claims["iss"], claims["sub"], claims["aud"]) == (ISSUER, "billing", origin)
    assert claims["jti"] == f"{task_id}.1"
    key_file.write_text(second)
    other_file.write_text(first)
    hang_up(scene.deployment)
    later, _ = scene.request_of(auth="billing")
    for each in (seen, later):
        assert verify(headers_of(each))["sub"] == "billing"
    algorithms = [jwt.get_unverified_header(token_of(each))["alg"] for each in (seen, later)]
    assert algorithms == ["RS256", "ES256"]
    scene.write(f"billing.key_file={key_file}", "billing.hosts=127.0.0.1")
    hang_up(scene.deployment)
    with pytest.raises(jwt.PyJWKClientError):
        documented("verify_token", texts)(headers_of(seen))
    found = scene.deployment.api.get("/.well-known/openid-configuration").json
    assert (found["issuer"], found["jwks_uri"]) == (ISSUER, f"{ISSUER}/.well-known/jwks.json")
    shown = scene.deployment.run("task", "show", task_id, "--attempt", "1").stdout
    tokens = [token_of(each) for each in (seen, later)]
    told = shown + "".join(text for _, text in scene.deployment.logs(1000))
    assert not [token for token in tokens if token in told]


def test_bad_keys_stop_the_check_and_the_start(deploy: Deploy, tmp_path: Path) -> None:
    """With exit code 2, and the name of the file that cannot be used."""
    (tmp_path / "junk.pem").write_text("s3cret")
    text = f"billing.key_file={tmp_path / 'junk.pem'},billing.hosts=127.0.0.1"
    deployment = deploy(FETCH__CREDENTIALS=text, FETCH__ISSUER=ISSUER)
    for words in (("config", "check"), ("serve",), ("consume",)):
        done = deployment.run(*words)
        assert done.returncode == 2
        assert f"billing.key_file: {tmp_path / 'junk.pem'} holds no private key in PEM" in done.stderr
        assert "s3cret" not in done.stderr
