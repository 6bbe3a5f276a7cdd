"""Which store and broker a configuration asks for, and what of that is refused."""

from pathlib import Path

import pytest

from taskrunner.app.adapters import refuse_memory_broker
from taskrunner.config import Config, load
from taskrunner.domain.errors import ConfigInvalid
from taskrunner.domain.tasks.write_concern import WriteConcern


def load_with(**environ: str) -> Config:
    return load(environ={f"TASKRUNNER_{name}": value for name, value in environ.items()}, search=False)


@pytest.mark.parametrize(
    "url",
    [
        "mysql://h/db",
        "t.db",
        "sqlite://t.db",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///t?mode=ro",
        "redis://u:hunter2@h/x",
        "redis+sentinel://u:hunter2@h",
        "rediss+sentinel://u:hunter2@h/main/x",
    ],
)
def test_an_unusable_url_is_refused_without_being_shown(url: str) -> None:
    """It may hold a password."""
    with pytest.raises(ConfigInvalid) as caught:
        load_with(STORE__URL=url)
    assert str(caught.value).startswith("environment TASKRUNNER_STORE__URL: ")
    assert f"got {url}" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_no_picture_of_a_store_url_holds_a_secret(tmp_path: Path) -> None:
    """Neither as user information nor as a parameter of libpq; it can be read from a file."""
    (tmp_path / "url").write_text("postgresql://me:hunter2@h/db?password=hunter3&sslmode=require\n")
    config = load_with(STORE__URL_FILE=str(tmp_path / "url"))
    assert config.store.url is not None
    assert "hunter" in config.store.url
    assert "hunter" not in repr(config)
    assert config.redacted()["Store"]["url"] == "postgresql://***@h/db?password=***&sslmode=require"


def test_memory_stands_alone() -> None:
    """It is no node of a cluster."""
    with pytest.raises(ConfigInvalid, match="must be the only broker"):
        load_with(RABBIT__ADDR="memory://,amqp://h/")


def test_half_of_the_flow_on_a_memory_broker_is_refused() -> None:
    """Its other half would be in another process, with another broker; the way out is told."""
    refuse_memory_broker(load_with(), "serve")
    with pytest.raises(ConfigInvalid, match="use `taskrunner all`"):
        refuse_memory_broker(load_with(RABBIT__ADDR="memory://"), "consume")


def test_a_write_concern_that_cannot_be_kept_is_refused() -> None:
    """At start, never weakened in silence."""
    assert load_with(STORE__WRITE_CONCERN="Store").task_defaults().write_concern is WriteConcern.STORE
    with pytest.raises(
        ConfigInvalid, match="STORE__WRITE_CONCERN: replicated cannot be kept by a SQLite file"
    ):
        load_with(STORE__WRITE_CONCERN="replicated", STORE__URL="sqlite:///t.db")
    rules = load_with(STORE__WRITE_CONCERN="replicated", STORE__URL="postgresql://h/db").task_settings()
    assert rules.defaults.write_concern is WriteConcern.REPLICATED
    assert rules.write_concerns == set(WriteConcern)
    assert (
        WriteConcern.REPLICATED not in load_with(STORE__URL="sqlite:///t.db").task_settings().write_concerns
    )
