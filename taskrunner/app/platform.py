"""The platform: what every command stands on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress

from taskrunner.brokers.base import Broker
from taskrunner.brokers.rabbitmq.broker import RabbitBroker
from taskrunner.brokers.rabbitmq.settings import RabbitSettings
from taskrunner.config import Config
from taskrunner.domain.clock import SystemClock
from taskrunner.domain.errors import OutsideError
from taskrunner.domain.events import Events
from taskrunner.producer.intake import Intake
from taskrunner.producer.publisher import Publisher
from taskrunner.stores.base import Store
from taskrunner.stores.redis.settings import RedisSettings
from taskrunner.stores.redis.store import RedisStore

# At start a service that is away is waited for this long before we go on without it. It is long enough to
# find out that a queue has other arguments, and short enough for an orchestrator's first probe.
_START_PATIENCE = 3.0


class Platform:
    """What every command stands on: clock, events, store, broker, and the way into them."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.clock = SystemClock()
        self.events = Events()
        self.store: Store = RedisStore(_redis_settings(config), self.events)
        self.broker: Broker = RabbitBroker(_rabbit_settings(config), self.events)
        self.publisher = Publisher(
            self.broker,
            self.store,
            self.events,
            self.clock,
            forgotten_after=config.relay.forgotten_after,
        )
        self.intake = Intake(
            self.store, self.publisher, self.events, self.clock, config.task_rules(), hold=config.relay.hold
        )

    @asynccontextmanager
    async def running(self, *, need_store: bool = False) -> AsyncIterator[None]:
        """Store and broker are connecting inside; at the end everything under way is let finish.

        Raises `SetupError` when one of them answers but cannot be used as it is. One that is away is gone on
        without, but for the store where it is needed: that raises `StoreUnavailable`.
        """
        await self.store.start()
        await self.broker.start()
        try:
            with nullcontext() if need_store else suppress(OutsideError):
                await self.store.wait_ready(_START_PATIENCE)
            with suppress(OutsideError):
                await self.broker.wait_ready(_START_PATIENCE)
            yield
            await self.intake.drain()
            await self.publisher.drain()
        finally:
            await self.broker.stop()
            await self.store.stop()


async def produce(config: Config, use: Callable[[Platform], Awaitable[int]]) -> int:
    """Submit tasks by `use`, which answers the exit code. Raises `StoreUnavailable`."""
    platform = Platform(config)
    async with platform.running(need_store=True):
        return await use(platform)


def _redis_settings(config: Config) -> RedisSettings:
    dials = config.redis
    return RedisSettings(
        address=dials.addr,
        user=dials.user,
        password=dials.password,
        db=dials.db,
        tls=dials.tls,
        max_retries=dials.max_retries,
        dial_timeout=dials.dial_timeout,
        timeout=dials.timeout,
        prefix=dials.prefix,
    )


def _rabbit_settings(config: Config) -> RabbitSettings:
    dials = config.rabbit
    return RabbitSettings(
        addresses=dials.addr,
        exchange=dials.exchange,
        delivery_limit=dials.delivery_limit,
        heartbeat=dials.heartbeat,
        dial_timeout=dials.dial_timeout,
        publish_timeout=dials.publish_timeout,
        client_name=config.workers.name,
    )
