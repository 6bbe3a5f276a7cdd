"""`Callbacks.secrets`: names with secrets, from every source, and never shown."""

import base64
import json
from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.domain.errors import ConfigInvalid

FIRST, SECOND, THIRD = ("whsec_" + base64.b64encode(bytes([number]) * 24).decode() for number in (1, 2, 3))
SECRETS = {"billing": (FIRST, SECOND), "other": (THIRD,)}


def load_text(folder: Path, text: str, **environ: str) -> Config:
    (folder / "config.yaml").write_text(text)
    return load(environ=environ, folder=folder)


def finding(folder: Path, text: str) -> str:
    with pytest.raises(ConfigInvalid) as caught:
        load_text(folder, text)
    return str(caught.value)


def test_the_file_names_them(tmp_path: Path) -> None:
    """One by itself, or two in a list."""
    text = f"Callbacks:\n  secrets:\n    billing: [{FIRST}, {SECOND}]\n    other: {THIRD}\n"
    assert load_text(tmp_path, text).callbacks.secrets == SECRETS


@pytest.mark.parametrize("between", [",", ", ", "\n"])
def test_a_text_names_them(tmp_path: Path, between: str) -> None:
    """In the environment, or in a file of its own."""
    text = between.join([f"billing={FIRST}", f"billing={SECOND}", f"other={THIRD}"])
    assert load(environ={"TASKRUNNER_CALLBACKS__SECRETS": text}, search=False).callbacks.secrets == SECRETS
    (tmp_path / "secrets").write_text(text + "\n")
    path = str(tmp_path / "secrets")
    environ = {"TASKRUNNER_CALLBACKS__SECRETS_FILE": path}
    assert load(environ=environ, search=False).callbacks.secrets == SECRETS
    assert load_text(tmp_path, "Callbacks: {secrets_file: secrets}").callbacks.secrets == SECRETS


def test_they_are_never_shown(tmp_path: Path) -> None:
    """Their names are, so that one can see whether they were read."""
    config = load_text(tmp_path, f"Callbacks: {{secrets: {{billing: [{FIRST}, {SECOND}]}}}}")
    assert config.redacted()["Callbacks"]["secrets"] == {"billing": ["***", "***"]}
    told = json.dumps(config.redacted()) + repr(config)
    assert FIRST.removeprefix("whsec_") not in told
    assert config.task_limits().callback_secrets == {"billing"}


@pytest.mark.parametrize(
    ("secrets", "told"),
    [
        ("{billing: s3cret}", "whsec_"),
        ("{billing: whsec_s3cret}", "base64"),
        ("{billing: whsec_c2hvcnQ=}", "24 to 64"),
        (f"{{billing: [{FIRST}, {SECOND}, {THIRD}]}}", "1 secret, or 2"),
        ("{billing: []}", "1 secret, or 2"),
        (f"{{a b: {FIRST}}}", "name"),
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
