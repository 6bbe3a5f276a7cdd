"""`Hosts.limits`: patterns with limits from every source, and what is none told in the words of the file."""

from pathlib import Path

import pytest

from taskrunner.config import Config, load
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.hosts.host_limit import HostLimit

LIMITS = {"*": HostLimit(concurrency=20), "a.test:8443": HostLimit(rate=1.5, burst=2)}


def load_limits(folder: Path, text: str) -> Config:
    (folder / "config.yaml").write_text(f"Hosts: {{limits: {text}}}")
    return load(environ={}, folder=folder)


@pytest.mark.parametrize(
    "text",
    [
        '{"*": concurrency=20, "a.test:8443": rate=90/m burst=2}',
        '{"*": {concurrency: 20}, "a.test:8443": {rate: 90/m, burst: 2}}',
        '"* concurrency=20, a.test:8443 rate=1.5 burst=2"',
    ],
)
def test_limits_can_be_text_or_keys(tmp_path: Path, text: str) -> None:
    """Keys, too, since `config show` prints them so."""
    assert load_limits(tmp_path, text).hosts.limits == LIMITS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{a.test: }", "a.test: must be such as concurrency=4 rate=10/s burst=20, got ''"),
        ("{a.test: 5}", "a.test: must be such as concurrency=4"),
        ("{a.test: [rate=1/s]}", "a.test: must be such as concurrency=4"),
        ("{a.test: {rat: 1/s}}", 'a.test: rat: unknown field, did you mean "rate"?'),
        ("{a.test: {rate: 1/d}}", "a.test: rate: must be a number with /s, /m or /h, got '1/d'"),
        ("[a.test]", "must be patterns with limits, such as"),
        ("{a*: rate=1/s}", "must be a host, *.example.com or *"),
        ("{a.test: rate=1/s, A.TEST: rate=2/s}", "a.test is given twice"),
    ],
)
def test_what_is_no_limit_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        load_limits(tmp_path, text)
    (error,) = caught.value.errors
    assert str(error).startswith(f"{tmp_path}/config.yaml: Hosts.limits: {told}")
