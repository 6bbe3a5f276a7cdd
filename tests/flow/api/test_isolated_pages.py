"""Pages of isolated keys while tasks come and go: each has its own tasks, once, and no trace of others."""

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskrunner.domain.clock import to_ms
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.status import Status
from tests.contract.stores.harness import KEEP, entry, make_task, ref
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN
from tests.tools.examples import share
from tests.tools.waiting import PATIENCE

NAMES = ("ann", "bob", "zoe")
# One moment for all, and moments of each alone.
MOMENT = datetime(2031, 5, 6, 7, 8, 9, 123000, UTC)
LISTS = {
    "/tasks?": "tasks",
    "/tasks?status=failed&": "tasks",
    "/tasks?host=target.example&": "tasks",
    "/tasks?sort=created_at&": "tasks",
    "/tasks?view=basic&": "tasks",
    "/dead-letters?": "dead_letters",
    "/dead-letters?reason=dropped&": "dead_letters",
}
NEW = st.tuples(st.sampled_from(NAMES), st.integers(0, 2), st.sampled_from("abz"))
CHANGES = st.lists(st.one_of(NEW, st.integers(0, 20)), max_size=3)

serials = itertools.count()


def moment_of(name: str, offset: int) -> datetime:
    return MOMENT + offset * timedelta(seconds=1 + NAMES.index(name))


@dataclass
class World:
    """All failed tasks: `live` by stored id, with the times of their creation and death."""

    api: Api
    live: dict[str, datetime] = field(default_factory=dict)
    ever: dict[str, datetime] = field(default_factory=dict)

    async def add(self, name: str, offset: int, begin: str) -> None:
        when = moment_of(name, offset)
        # Ids of all keys mix in their order, and none is a part of another.
        task = make_task(id=f"{name}~{begin}{next(serials):06}{name}", created_at=when, created_by=name)
        await self.api.store.accept([entry(task)])
        await self.api.store.fail([ref(task.id)], now=when, reason="dropped", error="gone", retention=KEEP)
        self.live[task.id] = self.ever[task.id] = when

    async def remove(self, number: int) -> None:
        if self.live:
            gone = list(self.live)[number % len(self.live)]
            await self.api.store.delete([gone], now=MOMENT, retention=KEEP)
            del self.live[gone]

    async def change(self, changes: list[Any]) -> None:
        for each in changes:
            await (self.remove(each) if isinstance(each, int) else self.add(*each))

    def of(self, name: str, known: Mapping[str, datetime]) -> dict[str, datetime]:
        """By the ids that the key knows."""
        begin = f"{name}~"
        return {each.removeprefix(begin): when for each, when in known.items() if each.startswith(begin)}

    def check_silence(self, answer: Answer, name: str) -> None:
        """No byte of what others have: names, ids, times."""
        said = f"{answer.content.decode()} {dict(answer.headers)}"
        assert "~" not in said
        for other in set(NAMES) - {name}:
            assert other not in said
            for moment in self.of(other, self.ever).values():
                if moment != MOMENT and moment not in self.of(name, self.ever).values():
                    assert str(to_ms(moment)) not in said
                    assert moment.isoformat()[:19] not in said

    async def page(self, key: dict[str, str], path: str, limit: int, cursor: str | None) -> Answer:
        more = "" if cursor is None else f"&cursor={cursor}"
        return await self.api.ask("GET", f"{path}limit={limit}{more}", headers=key)


async def example(
    api: Api, keys: dict[str, dict[str, str]], path: str, begin: list[Any], steps: list[Any], limit: int
) -> None:
    world = World(api)
    await world.change(begin)
    stable = set(world.live)
    found: dict[str, list[str]] = {name: [] for name in NAMES}
    cursors: dict[str, str | None] = dict.fromkeys(NAMES)
    more = set(NAMES)
    boss: str | None = None
    for changes in itertools.chain(steps, itertools.repeat([])):
        all_pages = (await world.page(keys["boss"], path, limit, boss)).json
        boss = all_pages["next_cursor"]
        for name in sorted(more):
            answer = await world.page(keys[name], path, limit, cursors[name])
            assert answer.status == 200, answer.content
            world.check_silence(answer, name)
            found[name] += [each["id"] for each in answer.json[LISTS[path]]]
            cursors[name] = answer.json["next_cursor"]
            if cursors[name] is None:
                more.remove(name)
            # Cursors of the others, and of who sees all.
            for foreign in {*cursors.values(), boss} - {None, cursors[name]}:
                led = await world.page(keys[name], path, limit, foreign)
                world.check_silence(led, name)
                if led.status == 200:
                    ids = {each["id"] for each in led.json[LISTS[path]]}
                    assert ids <= world.of(name, world.ever).keys()
        if not more:
            break
        await world.change(changes)
        stable &= set(world.live)
    for name in NAMES:
        ever = world.of(name, world.ever)
        assert len(found[name]) == len(set(found[name]))
        assert world.of(name, dict.fromkeys(stable, MOMENT)).keys() <= set(found[name]) <= ever.keys()
        newest_first = "sort=created_at" not in path
        assert found[name] == sorted(found[name], key=lambda each: (ever[each], each), reverse=newest_first)
    for task_id in list(world.live):
        await api.store.delete([task_id], now=MOMENT, retention=KEEP)
    assert (await api.store.counts())[Status.FAILED] == 0


async def test_each_key_reads_its_own_once_the_newest_first(api: Api) -> None:
    """Whatever the order in time, the size of the pages, and what comes and goes between them."""
    keys = {name: bearer(await api.make_key(name, *OWN)) for name in NAMES}
    keys["boss"] = bearer(await api.make_key("boss", *OWN, Scope.READ_ALL))
    loop = asyncio.get_running_loop()

    @settings(max_examples=share(1 / 2), deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from(list(LISTS)),
        begin=st.lists(NEW, max_size=12),
        steps=st.lists(CHANGES, max_size=4),
        limit=st.integers(1, 5),
    )
    def examples(path: str, begin: list[Any], steps: list[Any], limit: int) -> None:
        task = example(api, keys, path, begin, steps, limit)
        asyncio.run_coroutine_threadsafe(task, loop).result(PATIENCE)

    await asyncio.to_thread(examples)
