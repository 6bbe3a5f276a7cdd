"""Dead letters on Redis."""

from collections.abc import Sequence
from typing import Any

from taskrunner.domain.clock import to_ms
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind, dead_task
from taskrunner.stores.dead_letter_store import DeadLetterStore
from taskrunner.stores.fields import retention_ms
from taskrunner.stores.redis.fields import DEAD_MESSAGE, Argument, read_record
from taskrunner.stores.redis.redis_connection import LIST_SLACK, RedisPart
from taskrunner.stores.values import Page, Place


class RedisDeadLetterStore(RedisPart, DeadLetterStore):
    async def add_dead_messages(self, letters: Sequence[DeadLetter], *, retention: float) -> None:
        for letter in letters:
            if letter.kind is not DeadLetterKind.MESSAGE:
                raise ValueError(f"{letter.id} is a task: it becomes a dead letter when it fails")
        kept_ms = retention_ms(retention)

        def arguments(part: Sequence[DeadLetter]) -> list[Argument]:
            args: list[Argument] = [kept_ms]
            for letter in part:
                died_ms = to_ms(letter.died_at)
                fields = [
                    each
                    for name, found in zip(DEAD_MESSAGE.names, DEAD_MESSAGE.dump(letter), strict=True)
                    if found is not None
                    for each in (name, found)
                ]
                if letter.raw is not None:
                    fields += ("raw", letter.raw)
                args += (letter.id, died_ms, died_ms + kept_ms, len(fields), *fields)
            return args

        await self.run_batch("add_dead_messages", letters, arguments, lambda each: len(each.raw or b""))

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        answer = await self.run("dead_letter", letter_id)
        return _letter(answer[0], answer[1]) if answer else None

    async def list_dead_letters(
        self, *, limit: int, cursor: str | None, namespace: str = ""
    ) -> Page[DeadLetter]:
        place = None if cursor is None else Place.of_cursor(cursor, namespace=namespace, letters=True)
        begin = ("", "") if place is None else (place.ms, f"{place.kind}:{place.id}")
        next_died, next_member, *found = await self.run(
            "list_dead_letters", limit, *begin, limit + LIST_SLACK, namespace
        )
        following = None
        if next_member:
            kind, _, letter_id = next_member.decode().partition(":")
            following = Place(ms=int(next_died), kind=kind, id=letter_id).cursor(namespace)
        return Page(items=[_letter(fields) for fields in found], cursor=following)

    async def remove_dead_message(self, letter_id: str) -> bool:
        return bool(await self.run("remove_dead_message", letter_id))


def _letter(found: Sequence[Any], raw: bytes | None = None) -> DeadLetter:
    member, fields = found
    if member.startswith(b"t:"):
        return dead_task(read_record(fields))
    return DEAD_MESSAGE.value(fields, id=member[2:].decode(), kind=DeadLetterKind.MESSAGE, raw=raw)
