"""`Callbacks.secrets`: names with secrets, from every source, and never shown."""

import base64
import json
from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.targets.credential import SigningSecret

FIRST, SECOND, THIRD = ("whsec_" + base64.b64encode(bytes([number]) * 24).decode() for number in (1, 2, 3))
SECRETS = {
    "billing": SigningSecret(keys=(FIRST, SECOND), hosts=("hooks.test", "*.hooks.test:8443")),
    "other": SigningSecret(keys=(THIRD,), hosts=("*",)),
}


def load_text(folder: Path, text: str, **environ: str) -> Config:
    (folder / "config.yaml").write_text(text)
    return load(environ=environ, folder=folder)


def finding(folder: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load_text(folder, text)
    return str(caught.value)


def test_the_file_names_them(tmp_path: Path) -> None:
    """One by itself, or two in a list."""
    text = (
        f"Callbacks:\n  secrets:\n    billing:\n      keys: [{FIRST}, {SECOND}]\n"
        "      hosts: [HOOKS.test., '*.hooks.test:8443']\n"
        f"    other: {{keys: {THIRD}, hosts: '*'}}\n"
    )
    assert load_text(tmp_path, text).callbacks.secrets == SECRETS


@pytest.mark.parametrize("between", [",", ", ", "\n"])
def test_a_text_names_them(tmp_path: Path, between: str) -> None:
    """In the environment, or in a file of its own."""
    hosts = ["billing.hosts=hooks.test", "billing.hosts=*.hooks.test:8443", "other.hosts=*"]
    text = between.join([f"billing={FIRST}", f"billing={SECOND}", f"other={THIRD}", *hosts])
    assert load(environ={"TASKRUNNER_CALLBACKS__SECRETS": text}, search=False).callbacks.secrets == SECRETS
    (tmp_path / "secrets").write_text(text + "\n")
    path = str(tmp_path / "secrets")
    environ = {"TASKRUNNER_CALLBACKS__SECRETS_FILE": path}
    assert load(environ=environ, search=False).callbacks.secrets == SECRETS
    assert load_text(tmp_path, "Callbacks: {secrets_file: secrets}").callbacks.secrets == SECRETS


def test_a_tls_profile_is_shown(tmp_path: Path) -> None:
    """It has only paths."""
    config = load_text(tmp_path, "Fetch: {tls: {a: {ca_file: /a.pem, hosts: [A.test]}}}")
    shown = config.redacted()["Fetch"]["tls"]["a"]
    assert (shown["ca_file"], shown["hosts"]) == ("/a.pem", ["a.test"])


def test_they_are_never_shown(tmp_path: Path) -> None:
    """Their names are, so that one can see whether they were read."""
    config = load_text(
        tmp_path, f"Callbacks: {{secrets: {{billing: {{keys: [{FIRST}, {SECOND}], hosts: [a.test]}}}}}}"
    )
    shown = {"billing": {"keys": ["***", "***"], "hosts": ["a.test"]}}
    assert config.redacted()["Callbacks"]["secrets"] == shown
    told = json.dumps(config.redacted()) + repr(config)
    assert FIRST.removeprefix("whsec_") not in told
    assert config.task_limits().callback_secrets == {"billing": ("a.test",)}


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ("{billing: s3cret}", "must have keys"),
        (f"{{billing: {FIRST}}}", "must have keys"),
        ("{billing: {keys: s3cret, hosts: a.test}}", "whsec_"),
        ("{billing: {keys: whsec_s3cret, hosts: a.test}}", "base64"),
        ("{billing: {keys: whsec_c2hvcnQ=, hosts: a.test}}", "24 to 64"),
        (f"{{billing: {{keys: [{FIRST}, {SECOND}, {THIRD}], hosts: a.test}}}}", "1 secret, or 2"),
        ("{billing: {keys: [], hosts: a.test}}", "1 secret, or 2"),
        ("{billing: {hosts: a.test}}", "1 secret, or 2"),
        ("{billing: {keys: [5], hosts: a.test}}", "whsec_"),
        (f"{{a b: {{keys: {FIRST}, hosts: a.test}}}}", "name"),
        (f"{{a.hosts: {{keys: {FIRST}, hosts: a.test}}}}", "name"),
        (f"{{billing: {{keys: {FIRST}}}}}", "billing.hosts: is required"),
        (f"{{billing: {{keys: {FIRST}, hosts: []}}}}", "billing.hosts: is required"),
        (f"{{billing: {{keys: {FIRST}, hosts: ''}}}}", "billing.hosts: is required"),
        (f"{{billing: {{keys: {FIRST}, hosts: ['*.']}}}}", "billing.hosts: must be"),
        (f"{{billing: {{keys: {FIRST}, hosts: ['a*.test']}}}}", "billing.hosts: must be"),
        (f"{{billing: {{keys: {FIRST}, hosts: ['https://a.test/']}}}}", "billing.hosts: must be"),
        (f"{{billing: {{keys: {FIRST}, hosts: [a.test, '*']}}}}", "billing.hosts: must be"),
        (f"{{billing: {{keys: {FIRST}, hosts: [5]}}}}", "billing.hosts: must be"),
        (f"{{billing: {{keys: {FIRST}, host: a.test}}}}", 'did you mean "hosts"'),
        (FIRST, "NAME=whsec_"),
        ("[s3cret]", "must be"),
    ],
)
def test_what_cannot_be_used_is_told_without_the_secret(tmp_path: Path, secrets: str, told: str) -> None:
    message = finding(tmp_path, f"Callbacks: {{secrets: {secrets}}}")
    assert "Callbacks.secrets" in message
    assert told in message
    assert "s3cret" not in message
    assert FIRST.removeprefix("whsec_") not in message


def test_its_own_settings(tmp_path: Path) -> None:
    config = load_text(tmp_path, "Callbacks: {timeout: 3, max_attempts: 2, delays: [1, 2]}")
    defaults = config.task_defaults().callback
    assert (defaults.timeout, defaults.max_attempts) == (3, 2)
    assert defaults.retry.delays == (1, 2)
