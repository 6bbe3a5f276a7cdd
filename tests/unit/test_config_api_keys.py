"""API keys of the configuration: every form of a key, and findings that name the key and never show it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from taskrunner.config import load, read
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.keys.api_key import Scope, digest_of

KEY, OTHER = f"tr_{'a1b2' * 8}", f"tr_{'c3d4' * 8}"
SOME = (Scope.SUBMIT, Scope.READ)
ALL = (Scope.ADMIN,)


def loaded(folder: Path, *, file: Any = None, environ: dict[str, str] | None = None) -> Any:
    if file is not None:
        (folder / "config.yaml").write_text(yaml.safe_dump({"Api": file}))
    return load(environ=environ or {}, folder=folder)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (KEY, {"default": (KEY, ALL)}),
        (f"{KEY} submit read", {"default": (KEY, SOME)}),
        (f"web={KEY} submit read,ops={OTHER}", {"web": (KEY, SOME), "ops": (OTHER, ALL)}),
        (f" web = {KEY} \n\n ops={OTHER}\tadmin\n", {"web": (KEY, ALL), "ops": (OTHER, ALL)}),
        (f"# of the shop, web\r\nweb={KEY}\r\n  # {OTHER}\r\n", {"web": (KEY, ALL)}),
        (f"# the only one\n{KEY} submit read", {"default": (KEY, SOME)}),
    ],
)
@pytest.mark.parametrize("way", ["environment", "file of the environment", "text", "file of the file"])
def test_a_text_of_keys(tmp_path: Path, way: str, text: str, expected: dict[str, Any]) -> None:
    """In TASKRUNNER_API__KEYS or its file, or as `keys` or `keys_file`."""
    path = tmp_path / "keys"
    path.write_text(text)
    config = {
        "environment": lambda: loaded(tmp_path, environ={"TASKRUNNER_API__KEYS": text}),
        "file of the environment": lambda: loaded(tmp_path, environ={"TASKRUNNER_API__KEYS_FILE": str(path)}),
        "text": lambda: loaded(tmp_path, file={"keys": text}),
        "file of the file": lambda: loaded(tmp_path, file={"keys_file": str(path)}),
    }[way]()
    found = {key.name: (key.digest, key.scopes) for key in config.api_keys()}
    assert found == {name: (digest_of(secret), scopes) for name, (secret, scopes) in expected.items()}


def test_a_byte_order_mark_of_the_file_is_none_of_the_key(tmp_path: Path) -> None:
    """As editors of Windows write it."""
    path = tmp_path / "keys"
    path.write_text(f"web={KEY}", encoding="utf-8-sig")
    (key,) = loaded(tmp_path, file={"keys_file": str(path)}).api_keys()
    assert (key.name, key.digest) == ("web", digest_of(KEY))


@pytest.mark.parametrize("words", [f"{KEY} submit read", [KEY, "submit", "read"]])
def test_keys_by_name_in_the_file(tmp_path: Path, words: Any) -> None:
    (key,) = loaded(tmp_path, file={"keys": {"web": words}}).api_keys()
    assert (key.name, key.digest, key.scopes) == ("web", digest_of(KEY), SOME)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("web=", "web: must be tr_… and the scopes"),
        ("web=s3cret", "web: must be tr_ and at least 27"),
        (f"web={KEY[:20]}", "web: must be tr_ and at least 27"),
        (f"web={KEY}!", "web: must be tr_ and at least 27"),
        (f"web=submit {KEY}", "web: must be tr_ and at least 27"),
        (f"web={KEY} {OTHER}", "web: after the key, there may be scopes: submit, read, operate"),
        (f"web={KEY} submit;{OTHER}", "web: after the key, there may be scopes"),
        (f"web={KEY} write", "web: after the key, there may be scopes"),
        (f"web={KEY},web={OTHER}", "line 1: web is given twice"),
        (f"{KEY},{OTHER}", "line 1: each key needs a name"),
        (f"web={KEY}\n\n{OTHER}", "line 3: each key needs a name"),
        (
            f"web={KEY} submit,read",
            "line 1: each key needs a name, NAME=tr_…, and scopes with blanks between",
        ),
        (f"# web\nweb={KEY}\nWeb={OTHER}", "line 3: a key's name must be"),
        (f"web={KEY},ops={KEY} read", "web and ops are the same key"),
        (f"# web={KEY}", "has no key"),
        (f"{KEY}=web", "not begin with tr_"),
        (f"{KEY}=web,{KEY}=web", "not begin with tr_"),
        (f"Web={KEY}", "a key's name must be 1 to 63 lower-case"),
        (f"={KEY}", "a key's name must be"),
        ({"web": 5}, "Api.keys: web: must be tr_ and at least 27"),
        ({"web": [KEY, ["read"]]}, "Api.keys: line 4: must be a value or a list"),
        ({"web": {"key": KEY}}, "Api.keys: line 4: must be a value or a list"),
        ({"web": None}, "Api.keys: web: must be tr_…"),
        ({KEY: 5}, "not begin with tr_"),
        ({KEY: "read"}, "not begin with tr_"),
        ([KEY], "Api.keys"),
    ],
)
def test_a_finding_names_the_key_and_never_shows_it(tmp_path: Path, given: Any, told: str) -> None:
    """Whatever stands where: neither the key, nor the larger part of one, is in the message."""
    with pytest.raises(ConfigInvalid) as raised:
        loaded(tmp_path, file={"keys": given})
    message = str(raised.value)
    assert told in message
    for secret in (KEY, OTHER, "s3cret"):
        assert secret[:10] not in message


def test_keys_are_masked_where_the_configuration_is_shown(tmp_path: Path) -> None:
    reading = read(environ={"TASKRUNNER_API__KEYS": f"web={KEY} read"}, folder=tmp_path)
    assert KEY not in str(reading.config.redacted()) + repr(reading.config)


def test_keys_and_their_file_contradict_each_other(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(OTHER)
    with pytest.raises(ConfigInvalid) as raised:
        loaded(
            tmp_path,
            environ={"TASKRUNNER_API__KEYS": KEY, "TASKRUNNER_API__KEYS_FILE": str(tmp_path / "keys")},
        )
    assert "TASKRUNNER_API__KEYS_FILE" in str(raised.value)
    assert not any(secret in str(raised.value) for secret in (KEY, OTHER))


@pytest.mark.parametrize(
    ("given", "limit"),
    [
        (f"web={KEY} submit rate=50/s burst=100", (50.0, 100)),
        (f"{KEY} submit rate=90/m", (1.5, None)),
        (f"web={KEY} submit rate=5", (5.0, None)),
        ({"web": f"{KEY} submit rate=5/h burst=2"}, (5 / 3600, 2)),
        ({"web": [KEY, "submit", "rate=0.5"]}, (0.5, None)),
    ],
)
def test_a_key_may_have_a_limit(tmp_path: Path, given: Any, limit: tuple[float, int | None]) -> None:
    (key,) = loaded(tmp_path, file={"keys": given}).api_keys()
    assert (key.rate, key.burst, key.scopes) == (*limit, (Scope.SUBMIT,))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("burst=3", "burst needs a rate"),
        ("rate=0", "rate"),
        ("rate=fast", "rate"),
        ("rate=5/s burst=many", "burst"),
        ("rate=5 rate=6", "each of rate=50/s, burst=100"),
        (f"key={OTHER}", "each of rate=50/s, burst=100"),
    ],
)
def test_a_wrong_limit_is_refused(tmp_path: Path, words: str, told: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        loaded(tmp_path, file={"keys": {"web": f"{KEY} {words}"}})
    assert told in str(caught.value)
    assert "web: " in str(caught.value)
    assert KEY not in str(caught.value)
    assert OTHER not in str(caught.value)
