"""Which store and broker a configuration makes."""

import pytest

from taskrunner.app.adapters import make_broker, make_store
from taskrunner.config import Config, load
from taskrunner.domain.events import Events


def load_with(**environ: str) -> Config:
    return load(environ={f"TASKRUNNER_{name}": value for name, value in environ.items()}, search=False)


@pytest.mark.parametrize(
    ("url", "scheme", "name"),
    [
        ("sqlite:///t.db", "sqlite", "sqlite"),
        ("sqlite:////var/lib/t.db", "sqlite", "sqlite"),
        ("postgresql://u:p@a:1,b:2/db?sslmode=require", "postgresql", "postgresql"),
        ("postgres://u@h/db", "postgresql", "postgresql"),
        ("rediss://u:p@h:1/2", "redis", "redis"),
        ("redis+sentinel://u:p@a:1,b:2/main/2", "redis", "redis"),
        ("", None, "redis"),
    ],
)
def test_the_url_picks_the_store(url: str, scheme: str | None, name: str) -> None:
    """Without one the Redis section counts."""
    config = load_with(STORE__URL=url)
    assert config.store.scheme == scheme
    assert make_store(config, Events()).name == name


async def test_memory_is_a_broker_that_holds_nothing_at_start() -> None:
    """The seam tells which brokers must be filled."""
    config = load_with(RABBIT__ADDR="memory://")
    assert config.rabbit.in_memory
    assert not make_broker(config, Events()).durable
    assert make_broker(load_with(), Events()).durable
