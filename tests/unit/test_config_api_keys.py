"""`Api.keys`: names with secrets and scopes, from every source, and never shown."""

import json
from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.domain.api_key import Scope, digest_of
from taskrunner.domain.errors import ConfigInvalid

FIRST, SECOND = ("tr_" + letter * 32 for letter in "ab")
OWN = (Scope.SUBMIT, Scope.READ)


def load_text(folder: Path, text: str, **environ: str) -> Config:
    (folder / "config.yaml").write_text(text)
    return load(environ=environ, folder=folder)


def scopes_of(config: Config) -> dict[str, tuple[Scope, ...]]:
    return {key.name: key.scopes for key in config.api_keys()}


def test_the_file_names_them(tmp_path: Path) -> None:
    """A secret by itself may do everything."""
    text = f"Api:\n  keys:\n    shop: {FIRST} submit read\n    boss: [{SECOND}]\n"
    config = load_text(tmp_path, text)
    assert scopes_of(config) == {"shop": OWN, "boss": (Scope.ADMIN,)}
    assert [key.digest for key in config.api_keys()] == [digest_of(FIRST), digest_of(SECOND)]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (FIRST, {"default": (Scope.ADMIN,)}),
        (f"shop={FIRST} submit read", {"shop": OWN}),
        (f"shop={FIRST} submit read, boss={SECOND}", {"shop": OWN, "boss": (Scope.ADMIN,)}),
        (f"\n shop = {FIRST} submit read\n{SECOND}\n", {"shop": OWN, "default": (Scope.ADMIN,)}),
    ],
)
def test_the_environment_names_them(
    tmp_path: Path, value: str, expected: dict[str, tuple[Scope, ...]]
) -> None:
    """Itself, or by a file with the same text."""
    (tmp_path / "keys").write_text(value)
    for environ in (
        {"TASKRUNNER_API__KEYS": value},
        {"TASKRUNNER_API__KEYS_FILE": str(tmp_path / "keys")},
    ):
        assert scopes_of(load_text(tmp_path, "", **environ)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"{FIRST}=shop", "not begin with tr_"),
        (f"{FIRST}=shop,{FIRST}=boss", "not begin with tr_"),
        (f"{FIRST}={SECOND}", "not begin with tr_"),
        (f"shop={FIRST} {SECOND}", "shop: has two secrets"),
        (f"shop={FIRST} read {SECOND}", "shop: has two secrets"),
        (f"shop=read {FIRST}", "shop: must be tr_ and at least"),
        (f"shop={FIRST}!", "shop: must be tr_ and at least"),
        (f"shop={FIRST} raed", "did you mean"),
        (f"{FIRST},{SECOND}", "'default' is given twice"),
        (f"shop={FIRST},shop={SECOND}", "'shop' is given twice"),
        (f"Shop={FIRST}", "lower-case"),
        ("shop=", "shop: must be NAME=tr_"),
    ],
)
def test_no_error_shows_a_secret(tmp_path: Path, value: str, expected: str) -> None:
    """Not even one that stands in the place of a name or a scope."""
    with pytest.raises(ConfigInvalid) as caught:
        load_text(tmp_path, "", TASKRUNNER_API__KEYS=value)
    assert expected in str(caught.value)
    assert FIRST not in str(caught.value)
    assert SECOND not in str(caught.value)


def test_no_view_of_the_configuration_shows_a_secret(tmp_path: Path) -> None:
    config = load_text(tmp_path, "", TASKRUNNER_API__KEYS=f"shop={FIRST} read")
    assert FIRST not in json.dumps(config.redacted())
    assert FIRST not in repr(config)
