"""The store on Redis: every method is one script over a batch, large batches in parts."""

import itertools
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from redis.exceptions import NoScriptError

from taskrunner.domain.clock import from_ms, to_ms
from taskrunner.domain.codec import storable
from taskrunner.domain.events import Events
from taskrunner.domain.record import DeadLetter, DeadLetterKind, Record
from taskrunner.domain.status import Status
from taskrunner.stores.base import (
    Accepted,
    AttemptRef,
    Claimed,
    Due,
    NewTask,
    Page,
    Settlement,
    Snooze,
    Store,
    StoredSchedule,
    StoreStatus,
)
from taskrunner.stores.host_store import HostAnswer, HostEdit, HostEntry
from taskrunner.stores.inspection import Flawed, Inspection, Overdue
from taskrunner.stores.redis import arguments, replies
from taskrunner.stores.redis.arguments import Argument
from taskrunner.stores.redis.connections import Connections, MakeConnection, make_connection
from taskrunner.stores.redis.redis_connection import SERVICE, RedisStoreConnection
from taskrunner.stores.redis.replicas import Replicas
from taskrunner.stores.redis.scripts import Script, Scripts
from taskrunner.stores.redis.settings import RedisSettings, endpoint
from taskrunner.stores.redis.walk import Place

Item = TypeVar("Item")

# One script holds up the whole server: 500 items take it about 5 ms.
BATCH_ITEMS = 500
# What one command may carry, and one answer bring, beyond a single large item.
BATCH_BYTES = 8 * 1024 * 1024
# How many expired and not yet pruned entries of a list one call looks at beyond its page.
LIST_SLACK = 200


class RedisStore(Store):
    """See `Store`. Ids sort by their bytes; every key of a finished task has a TTL.

    `make_connection` is for tests on another server than a real one.
    """

    name = SERVICE

    def __init__(
        self, settings: RedisSettings, events: Events, *, make_connection: MakeConnection = make_connection
    ) -> None:
        where = endpoint(settings)
        connections = Connections(lambda: make_connection(settings, where))
        self._scripts = Scripts()
        self._prefix = f"{settings.prefix}:"
        probe = ("EVAL", self._scripts.probe.source, 1, self._prefix)
        self._link = RedisStoreConnection(connections, settings, str(where), events, probe=probe)
        self._replicas = Replicas(self._link, settings, str(where), mark=f"{self._prefix}replicated")
        # A token names one batch. A script that is sent again under its token, because the answer was
        # lost, finds what it wrote the first time and gives the same answers.
        self._token_prefix = secrets.token_hex(4)
        self._token_numbers = itertools.count()

    async def start(self) -> None:
        self._link.start()

    async def wait_ready(self, timeout: float) -> None:
        await self._link.wait_ready(timeout)

    async def stop(self) -> None:
        await self._link.stop()

    def status(self) -> StoreStatus:
        return self._link.status()

    async def ping(self) -> None:
        await self._link.ping()

    async def check_replicas(self) -> None:
        await self._replicas.check()

    async def replicate(self, ids: Sequence[str]) -> None:
        for part in list(_parts(ids)) or [[]]:
            await self._replicas.wait([f"{self._prefix}task:{task_id}" for task_id in part])

    async def accept(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        answers: list[Accepted] = []
        for part in _parts(tasks, lambda task: len(task.encoded)):
            answer = await self._run(self._scripts.accept, self._token(), *arguments.new_tasks(part))
            answers += replies.accepted(part, answer)
        return answers

    async def mark_queued(self, refs: Sequence[AttemptRef], *, now: datetime, due: datetime) -> None:
        for part in _parts(refs):
            await self._run(self._scripts.mark_queued, to_ms(now), to_ms(due), *arguments.published(part))

    async def claim(
        self, refs: Sequence[AttemptRef], *, now: datetime, lease_until: datetime, consumer: str
    ) -> Sequence[Claimed]:
        answers: list[Claimed] = []
        for part in _parts(refs):
            args = arguments.claims(part, now, consumer)
            answer = await self._run(self._scripts.claim, consumer, to_ms(now), to_ms(lease_until), *args)
            answers += replies.claimed(answer)
        return answers

    async def renew(self, refs: Sequence[AttemptRef], *, lease_until: datetime) -> Sequence[bool]:
        answers: list[bool] = []
        for part in _parts(refs):
            answer = await self._run(self._scripts.renew, to_ms(lease_until), *arguments.attempt_refs(part))
            answers += map(bool, answer)
        return answers

    async def still_running(self, refs: Sequence[AttemptRef]) -> Sequence[bool]:
        answers: list[bool] = []
        for part in _parts(refs):
            answer = await self._run(self._scripts.still_running, *arguments.attempt_refs(part))
            answers += map(bool, answer)
        return answers

    async def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> Sequence[bool]:
        answers: list[bool] = []
        for part in _parts(settlements, _body_bytes):
            header = (self._token(), to_ms(now))
            args = arguments.settlements(part, before=len(header))
            answer = await self._run(self._scripts.settle, *header, *args)
            answers += map(bool, answer)
        return answers

    async def take_due(self, *, now: datetime, limit: int, hold: float) -> Sequence[Due]:
        """Fewer than `limit`, though more are due, when these alone are several MiB."""
        if limit < 1:
            return []
        again = to_ms(now + timedelta(seconds=hold))
        answer = await self._run(self._scripts.take_due, to_ms(now), limit, again, BATCH_BYTES)
        return replies.due_tasks(answer)

    async def postpone(self, refs: Sequence[AttemptRef], *, due: datetime) -> None:
        for part in _parts(refs):
            await self._run(self._scripts.postpone, to_ms(due), *arguments.attempt_refs(part))

    async def snooze(self, snoozes: Sequence[Snooze], *, now: datetime) -> Sequence[bool]:
        answers: list[bool] = []
        for part in _parts(snoozes):
            answers += map(bool, await self._run(self._scripts.snooze, to_ms(now), *arguments.snoozes(part)))
        return answers

    async def fail(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        reason: str,
        error: str,
        keep: float,
        expired: bool = False,
    ) -> Sequence[bool]:
        why = (to_ms(now), storable(reason), storable(error), arguments.retention_ms(keep))
        return await self._finish(refs, Status.FAILED, *why, "1" if expired else "")

    async def cancel(
        self, refs: Sequence[AttemptRef], *, now: datetime, error: str, keep: float
    ) -> Sequence[bool]:
        why = (to_ms(now), Status.CANCELLED, storable(error), arguments.retention_ms(keep))
        return await self._finish(refs, Status.CANCELLED, *why, "")

    async def _finish(self, refs: Sequence[AttemptRef], *ending: Argument) -> list[bool]:
        answers: list[bool] = []
        for part in _parts(refs):
            header = (self._token(), *ending)
            args = arguments.endings(part, before=len(header))
            answers += map(bool, await self._run(self._scripts.finish, *header, *args))
        return answers

    async def delete(
        self, ids: Sequence[str], *, now: datetime, keep: float, status: Status | None = None
    ) -> Sequence[bool]:
        answers: list[bool] = []
        for part in _parts(ids):
            answer = await self._run(
                self._scripts.delete, self._token(), arguments.retention_ms(keep), status or "", *part
            )
            answers += map(bool, answer)
        return answers

    async def expired(self, *, now: datetime, limit: int) -> Sequence[Due]:
        return replies.due_tasks(await self._run(self._scripts.past_deadline, to_ms(now), limit, BATCH_BYTES))

    async def requeue(self, ids: Sequence[str], *, now: datetime, due: datetime) -> Sequence[Due | None]:
        answers: list[Due | None] = []
        for part in _parts(ids):
            answer = await self._run(self._scripts.requeue, self._token(), to_ms(now), to_ms(due), *part)
            answers += [replies.due_task(fields) if fields else None for fields in answer]
        return answers

    async def get(self, task_id: str) -> Record | None:
        (fields,) = await self._run(self._scripts.get_records, task_id)
        return replies.record(fields) if fields else None

    async def body(self, task_id: str) -> bytes | None:
        key = f"{self._prefix}task:{task_id}"
        body, result = await self._link.call("HMGET", key, "body", "result")
        # An empty body is not stored.
        return b"" if body is None and result is not None else body

    async def list_tasks(self, status: Status | None, *, limit: int, cursor: str | None) -> Page[Record]:
        most = limit + LIST_SLACK
        statuses = list(Status) if status is None else [status]
        lists = await self._run(self._scripts.list_ids, most, cursor or "", *statuses)
        ids = sorted(itertools.chain.from_iterable(lists), reverse=True)[:most]
        found: list[Record] = []
        for first in range(0, len(ids), limit):
            part = ids[first : first + limit]
            answer = await self._run(self._scripts.get_records, *part)
            for task_id, fields in zip(part, answer, strict=True):
                if fields:
                    found.append(replies.record(fields))
                if len(found) == limit:
                    at_end = task_id == ids[-1] and len(ids) < most
                    return Page(items=found, cursor=None if at_end else task_id.decode())
        return Page(items=found, cursor=ids[-1].decode() if len(ids) == most else None)

    async def counts(self) -> Mapping[Status, int]:
        answer = await self._run(self._scripts.count, *Status)
        return dict(zip(Status, answer, strict=True))

    async def add_dead_messages(self, letters: Sequence[DeadLetter], *, keep: float) -> None:
        for letter in letters:
            if letter.kind is not DeadLetterKind.MESSAGE:
                raise ValueError(f"{letter.id} is a task: it becomes a dead letter when it fails")
        for part in _parts(letters, lambda letter: len(letter.raw or b"")):
            await self._run(
                self._scripts.add_dead_messages, arguments.retention_ms(keep), *arguments.letters(part, keep)
            )

    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        answer = await self._run(self._scripts.dead_letter, letter_id)
        return replies.dead_letter(answer[0], answer[1]) if answer else None

    async def list_dead_letters(self, *, limit: int, cursor: str | None) -> Page[DeadLetter]:
        """The cursor is when the last letter of the page died, a colon, and its name. Raises `ValueError`."""
        died, _, member = (cursor or ":").partition(":")
        if cursor is not None and not (died.isdecimal() and member):
            raise ValueError(f"no cursor of a list of dead letters: {cursor!r}")
        next_died, next_member, *found = await self._run(
            self._scripts.list_dead_letters, limit, died, member, limit + LIST_SLACK
        )
        following = f"{next_died.decode()}:{next_member.decode()}" if next_member else None
        return Page(items=[replies.dead_letter(fields) for fields in found], cursor=following)

    async def remove_dead_message(self, letter_id: str) -> bool:
        return bool(await self._run(self._scripts.remove_dead_message, letter_id))

    async def pause(self, scope: str, *, now: datetime) -> None:
        await self._link.call("HSETNX", f"{self._prefix}paused", storable(scope), to_ms(now))

    async def resume(self, scope: str) -> bool:
        return bool(await self._link.call("HDEL", f"{self._prefix}paused", storable(scope)))

    async def pauses(self) -> Mapping[str, datetime]:
        found = await self._link.call("HGETALL", f"{self._prefix}paused")
        return {scope.decode(): from_ms(float(since)) for scope, since in _pairs(found)}

    async def write_hosts(self, edits: Sequence[HostEdit], *, now: datetime) -> Sequence[HostAnswer]:
        answers: list[HostAnswer] = []
        for part in _parts(edits, lambda edit: len(edit.entry.encoded)):
            found = await self._run(self._scripts.write_hosts, to_ms(now), *arguments.host_edits(part))
            answers += replies.host_answers(found, [edit.entry.host for edit in part])
        return answers

    async def hosts(self, hosts: Sequence[str]) -> Sequence[HostEntry | None]:
        if not hosts:
            return []
        found = await self._link.call("HMGET", f"{self._prefix}hosts", *map(storable, hosts))
        return [
            None if entry is None else replies.host_entry(host, entry)
            for host, entry in zip(hosts, found, strict=True)
        ]

    async def live_hosts(self, *, now: datetime, limit: int) -> Sequence[HostEntry]:
        found = await self._run(self._scripts.live_hosts, to_ms(now), limit)
        pairs = zip(found[::2], found[1::2], strict=True)
        return [replies.host_entry(host.decode(), entry) for host, entry in pairs]

    async def save_host_limit(self, pattern: str, encoded: bytes) -> None:
        await self._link.call("HSET", f"{self._prefix}host-limits", pattern, encoded)

    async def remove_host_limit(self, pattern: str) -> bool:
        return bool(await self._link.call("HDEL", f"{self._prefix}host-limits", storable(pattern)))

    async def host_limits(self) -> Mapping[str, bytes]:
        found = await self._link.call("HGETALL", f"{self._prefix}host-limits")
        return {pattern.decode(): encoded for pattern, encoded in _pairs(found)}

    async def prune(self, *, now: datetime, limit: int) -> int:
        return int(await self._run(self._scripts.prune, to_ms(now), limit))

    async def save_schedule(
        self, schedule: StoredSchedule, *, expected: str | None, tasks: Sequence[NewTask] = ()
    ) -> bool:
        args = arguments.schedule(schedule, expected)
        return bool(await self._run(self._scripts.save_schedule, *args, *arguments.new_tasks(tasks)))

    async def schedule(self, name: str) -> StoredSchedule | None:
        key = f"{self._prefix}schedule:{name}"
        version, body, next_ms = await self._link.call("HMGET", key, "version", "body", "next")
        return replies.schedule((name.encode(), version, body, next_ms)) if version is not None else None

    async def list_schedules(self, *, limit: int, cursor: str | None) -> Page[StoredSchedule]:
        more, *found = await self._run(self._scripts.list_schedules, limit, cursor or "")
        page = [replies.schedule(fields) for fields in found]
        return Page(items=page, cursor=page[-1].name if more and page else None)

    async def due_schedules(self, *, now: datetime, limit: int) -> Sequence[StoredSchedule]:
        answer = await self._run(self._scripts.due_schedules, to_ms(now), limit)
        return [replies.schedule(fields) for fields in answer]

    async def delete_schedule(self, name: str) -> bool:
        return bool(await self._run(self._scripts.delete_schedule, name))

    async def overdue(self, *, before: datetime, limit: int) -> Sequence[Overdue]:
        return replies.overdue(await self._run(self._scripts.overdue, to_ms(before), limit))

    async def time(self) -> datetime:
        seconds, micros = await self._link.call("TIME")
        return from_ms(int(seconds) * 1000 + int(micros) / 1000)

    async def inspect(self, *, cursor: str | None, limit: int) -> Inspection:
        """One command over the server's keys, or over one set, and one script for what it found."""
        place = Place.read(cursor)
        position, found = await self._link.call(*place.command(self._prefix, limit))
        ids = place.ids(self._prefix, found)
        flawed: list[Flawed] = []
        for part in _parts(ids):
            flawed += replies.flawed(await self._run(self._scripts.inspect, place.stage, *part))
        return Inspection(looked=len(ids), flawed=flawed, cursor=place.following(position))

    async def repair(
        self, ids: Sequence[str], *, now: datetime, lease_until: datetime, keep: float
    ) -> Sequence[bool]:
        moments = (to_ms(now), to_ms(lease_until), arguments.retention_ms(keep))
        answers: list[bool] = []
        for part in _parts(ids):
            answers += map(bool, await self._run(self._scripts.repair, *moments, *part))
        return answers

    def _token(self) -> str:
        return f"{self._token_prefix}{next(self._token_numbers):x}"

    async def _run(self, script: Script, *args: Argument) -> Any:
        try:
            return await self._link.call("EVALSHA", script.sha, 1, self._prefix, *args)
        except NoScriptError:
            # The server restarted, or somebody flushed its scripts: this also loads it again.
            return await self._link.call("EVAL", script.source, 1, self._prefix, *args)


def _parts(items: Sequence[Item], size: Callable[[Item], int] = lambda item: 0) -> Iterator[Sequence[Item]]:
    """`items` in parts of at most `BATCH_ITEMS`, and of about `BATCH_BYTES` by `size`."""
    first, room = 0, BATCH_BYTES
    for position, item in enumerate(items):
        room -= size(item)
        if position > first and (room < 0 or position - first == BATCH_ITEMS):
            yield items[first:position]
            first, room = position, BATCH_BYTES - size(item)
    if first < len(items):
        yield items[first:]


def _pairs(found: Any) -> Iterable[tuple[bytes, bytes]]:
    """The fields of a hash, which come as a list or a mapping, by the protocol's version."""
    return zip(found[::2], found[1::2], strict=True) if isinstance(found, list) else found.items()


def _body_bytes(item: Settlement) -> int:
    return len(item.result.body) if item.result is not None else 0
