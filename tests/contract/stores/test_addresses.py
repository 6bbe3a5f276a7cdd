"""I11 for the addresses of services: nothing that a store or a broker tells of itself holds a password."""

from collections.abc import Callable

import pytest

from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Event, Events
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore
from taskrunner.stores.sql.settings import SqlSettings
from taskrunner.stores.sql.store import SqlStore
from tests.tools.waiting import eventually

SECRETS = ("s3cr/et", "s3cr#et", "s3cr?et", "12/s3cr", "s3cr@et", "s3cr:et", "s3cr%et", "s3cr&et=1", "12345")
NOWHERE = "127.0.0.1:1"
Make = Callable[[str, Events], SqlStore | RedisStore | RabbitBroker]


def _sql(url: str, events: Events) -> SqlStore:
    return SqlStore(SqlSettings(url=url), events)


def _redis(url: str, events: Events) -> RedisStore:
    return RedisStore(RedisSettings(address=url, max_retries=0), events)


def _rabbit(url: str, events: Events) -> RabbitBroker:
    return RabbitBroker(RabbitSettings(addresses=(url,)), events)


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize(
    ("form", "make"),
    [
        (f"postgresql://me:{{}}@{NOWHERE}/db", _sql),
        (f"postgresql://me@{NOWHERE}/db?password={{}}", _sql),
        (f"postgresql://me@{NOWHERE}/db?sslpassword={{}}", _sql),
        (f"redis://me:{{}}@{NOWHERE}/1", _redis),
        (f"rediss://:{{}}@{NOWHERE}/1", _redis),
        (f"redis+sentinel://me:{{}}@{NOWHERE}/main/1", _redis),
        (f"amqp://me:{{}}@{NOWHERE}/", _rabbit),
        (f"amqps://me:{{}}@{NOWHERE}/", _rabbit),
    ],
)
async def test_an_outage_tells_no_password(form: str, make: Make, secret: str) -> None:
    """Not the event that is logged, not the error, not the status that `/health` shows."""
    told: list[Event] = []
    events = Events()
    events.subscribe(told.append)
    service = make(form.format("".join(f"%{byte:02X}" for byte in secret.encode())), events)
    await service.start()
    try:
        with pytest.raises(OutsideError) as caught:
            await service.wait_ready(0.5)
        await eventually(lambda: told)
        surfaces = f"{told} {caught.value!r} {service.status()} {service!r}"
    finally:
        await service.stop()
    assert secret not in surfaces
