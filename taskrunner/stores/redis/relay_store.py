"""Due tasks, deadlines and retention on Redis."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from taskrunner.domain.clock import to_ms
from taskrunner.stores.redis.fields import DUE, Argument
from taskrunner.stores.redis.redis_connection import BATCH_BYTES, RedisPart
from taskrunner.stores.relay_store import DEDUP_AGAIN, DEDUP_SELDOM, RelayStore
from taskrunner.stores.values import AttemptRef, Due


class RedisRelayStore(RedisPart, RelayStore):
    async def take_due(self, *, now: datetime, limit: int, hold: float) -> Sequence[Due]:
        if limit < 1:
            return []
        again = to_ms(now + timedelta(seconds=hold))
        return DUE.values(await self.run("take_due", to_ms(now), limit, again, BATCH_BYTES))

    async def mark_queued(self, refs: Sequence[AttemptRef], *, now: datetime, due: datetime) -> None:
        def arguments(part: Sequence[AttemptRef]) -> list[Argument]:
            args: list[Argument] = [to_ms(now), to_ms(due)]
            for ref in part:
                args += (ref.id, ref.attempt, ref.snoozes)
            return args

        await self.run_batch("mark_queued", refs, arguments)

    async def postpone(self, refs: Sequence[AttemptRef], *, due: datetime) -> None:
        await self.run_batch("postpone", refs, lambda part: [to_ms(due), *attempts(part)])

    async def past_deadline(self, *, now: datetime, limit: int) -> Sequence[Due]:
        return DUE.values(await self.run("past_deadline", to_ms(now), limit, BATCH_BYTES))

    async def prune(self, *, now: datetime, limit: int) -> int:
        pauses = [pause // timedelta(milliseconds=1) for pause in (DEDUP_AGAIN, DEDUP_SELDOM)]
        return int(await self.run("prune", to_ms(now), limit, *pauses))


def attempts(refs: Sequence[AttemptRef]) -> list[Argument]:
    """The id and the attempt of each."""
    args: list[Argument] = []
    for ref in refs:
        args += (ref.id, ref.attempt)
    return args
