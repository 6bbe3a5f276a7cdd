"""Claims, leases and settlements on Redis."""

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from taskrunner.domain.clock import to_ms
from taskrunner.domain.codec import encode, storable
from taskrunner.domain.tasks.record import Attempt
from taskrunner.domain.tasks.settlement import Settlement
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.value import replace
from taskrunner.stores.consumer_store import (
    ClaimAnswer,
    Claimed,
    ConsumerStore,
    SnoozeRequest,
    check_settlement,
    follow_up_bytes,
    settlement_bytes,
)
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.redis.fields import SETTLEMENT, Argument, with_follow_ups
from taskrunner.stores.redis.redis_connection import RedisPart
from taskrunner.stores.redis.relay_store import attempts
from taskrunner.stores.values import AttemptRef


class RedisConsumerStore(RedisPart, ConsumerStore):
    async def claim(
        self, refs: Sequence[AttemptRef], *, now: datetime, lease_until: datetime, consumer: str
    ) -> Sequence[Claimed]:
        def arguments(part: Sequence[AttemptRef]) -> list[Argument]:
            args: list[Argument] = [consumer, to_ms(now), to_ms(lease_until)]
            # Most attempts of a batch are the first, and then their entries are the same.
            entries: dict[int, bytes] = {}
            for ref in part:
                entry = entries.get(ref.attempt)
                if entry is None:
                    entry = encode(Attempt(number=ref.attempt, started_at=now, consumer=consumer))
                    entries[ref.attempt] = entry
                args += (ref.id, ref.attempt, entry)
            return args

        found = await self.run_batch("claim", refs, arguments)
        return [_claimed(answer, limit) for answer, limit in zip(found[::2], found[1::2], strict=True)]

    async def renew(self, refs: Sequence[AttemptRef], *, lease_until: datetime) -> Sequence[bool]:
        lease = to_ms(lease_until)

        def arguments(part: Sequence[AttemptRef]) -> list[Argument]:
            args: list[Argument] = [lease]
            for ref in part:
                args += (ref.id, ref.attempt, "" if ref.progress is None else encode(ref.progress))
            return args

        return list(map(bool, await self.run_batch("renew", refs, arguments)))

    async def still_running(self, refs: Sequence[AttemptRef]) -> Sequence[bool]:
        return list(map(bool, await self.run_batch("still_running", refs, attempts)))

    async def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> Sequence[bool]:
        def arguments(part: Sequence[Settlement]) -> list[Argument]:
            rows = [_settlement(item) for item in part]
            return with_follow_ups([self.token(), to_ms(now)], rows, [item.follow_ups for item in part])

        return list(map(bool, await self.run_batch("settle", settlements, arguments, settlement_bytes)))

    async def snooze(self, snoozes: Sequence[SnoozeRequest], *, now: datetime) -> Sequence[bool]:
        def arguments(part: Sequence[SnoozeRequest]) -> list[Argument]:
            args: list[Argument] = [to_ms(now)]
            for item in part:
                args += (item.id, item.attempt, to_ms(item.due), storable(item.waits_for or ""))
            return args

        return list(map(bool, await self.run_batch("snooze", snoozes, arguments)))

    async def fail(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        reason: str,
        error: str,
        retention: float,
        past_deadline: bool = False,
    ) -> Sequence[bool]:
        only = "1" if past_deadline else ""
        end = (Status.FAILED, to_ms(now), reason, error, retention_ms(retention), only)
        return await end_waiting(self, refs, end)


async def end_waiting(store: RedisPart, refs: Sequence[AttemptRef], end: Sequence[Argument]) -> list[bool]:
    """End tasks that wait for these attempts, see `ConsumerStore.fail`; `end` is as in `end_waiting.lua`."""
    end = [storable(each) if isinstance(each, str) else each for each in end]

    def arguments(part: Sequence[AttemptRef]) -> list[Argument]:
        rows = [(ref.id, ref.attempt) for ref in part]
        return with_follow_ups([store.token(), *end], rows, [ref.follow_ups for ref in part])

    return list(map(bool, await store.run_batch("end_waiting", refs, arguments, follow_up_bytes)))


@lru_cache(maxsize=1024)
def _claimed(answer: bytes, limit: int) -> Claimed:
    return Claimed(answer=ClaimAnswer(answer.decode()), attempt_limit=limit)


def _settlement(item: Settlement) -> list[Argument]:
    check_settlement(item)
    body = b""
    if item.result is not None:
        body = item.result.body
        item = replace(item, result=replace(item.result, body=b""))
    not_counted = "" if item.attempt.counted else "1"
    return [*SETTLEMENT.arguments(item), item.attempt.number, body, retention_ms(item.keep), not_counted]
