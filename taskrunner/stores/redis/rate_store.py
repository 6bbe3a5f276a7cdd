"""The limits of API keys on Redis: a string per key, which ends when the key may make a full burst again."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from taskrunner.domain.clock import SKEW
from taskrunner.stores.rate_store import Measured, RateAnswer, RateAsk, RateStore
from taskrunner.stores.redis.fields import Argument
from taskrunner.stores.redis.redis_connection import RedisPart

_US = 1_000_000


class RedisRateStore(RedisPart, RateStore):
    async def count_live(self, most: Mapping[str, int]) -> Mapping[str, int]:
        found = await self.run_batch("count_live", list(most), lambda part: list(part))
        return {
            namespace: min(int(count), limit)
            for (namespace, limit), count in zip(most.items(), found, strict=True)
        }

    async def measure(self, namespace: str, *, cursor: str | None, limit: int) -> Measured:
        """The cursor is the place of a status, a colon, and the cursor of `ZSCAN` in its tasks."""
        place, _, position = ("1:0" if cursor is None else cursor).partition(":")
        size_bytes, place, position = await self.run("measure", namespace, place, position, limit)
        following = f"{int(place)}:{int(position)}" if int(place) else None
        return Measured(size_bytes=int(size_bytes), cursor=following)

    async def take_requests(self, asks: Sequence[RateAsk], *, now: datetime) -> Sequence[RateAnswer]:
        def arguments(part: Sequence[RateAsk]) -> list[Argument]:
            args: list[Argument] = [round(now.timestamp() * _US), round(SKEW * _US)]
            for ask in part:
                args += (ask.name, repr(ask.limiter.interval * _US), ask.limiter.burst, ask.wanted)
            return args

        found = await self.run_batch("take_requests", asks, arguments)
        return [RateAnswer(granted=int(granted), ahead=int(ahead) / _US) for granted, ahead in found]
