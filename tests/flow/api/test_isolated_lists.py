"""Lists of isolated keys: their pages and cursors are what they would be if no other key had anything."""

import asyncio
import itertools
from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taskrunner.api.auth.scopes import ROUTES
from taskrunner.domain.codec import encode
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.keys.audit import new_audit_id
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.producer.schedule_admin import stored_form
from tests.contract.stores.harness import KEEP, NOW, entry, make_task, ref
from tests.contract.stores.operations.test_operations import made
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN
from tests.tools.waiting import PATIENCE

CRON = {"cron": "0 4 * * *", "task": {"url": "http://example.com/"}}
# Lists that take a cursor, and the member that has the items.
LISTS = {
    "/tasks": "tasks",
    "/dead-letters": "dead_letters",
    "/schedules": "schedules",
    "/schedule-runs": "schedules",
    "/operations": "operations",
}
serials = itertools.count()


async def add(api: Api, path: str, name: str) -> None:
    """One more item of a key, later than all before."""
    number = next(serials)
    when = NOW + number * timedelta(seconds=1)
    own = f"{name}~{number:06}"
    if path == "/operations":
        mine = made(when, id=new_audit_id(when), filter=TaskFilter(namespace=f"{name}~"))
        await api.store.save_operation(mine, expected=None)
    elif path in {"/schedules", "/schedule-runs"}:
        schedule = ScheduleDraft.from_json(encode(CRON), TaskLimits()).to_schedule(own, now=NOW)
        await api.store.save_schedule(stored_form(schedule), expected=None)
    else:
        task = make_task(id=own, created_at=when, created_by=name)
        await api.store.accept([entry(task)])
        if path == "/dead-letters":
            await api.store.fail([ref(task.id)], now=when, reason="dropped", error="gone", retention=KEEP)


async def page_sizes(api: Api, key: dict[str, str], path: str, limit: int, most: int) -> list[int]:
    """How many items each page has."""
    sizes, cursor = list[int](), ""
    for _ in range(most):
        answer = await api.ask("GET", f"{path}?limit={limit}{cursor}", headers=key)
        assert answer.status == 200, answer.content
        sizes.append(len(answer.json[LISTS[path]]))
        if answer.json["next_cursor"] is None:
            return sizes
        cursor = f"&cursor={answer.json['next_cursor']}"
    raise AssertionError(f"no end after {sizes}")


async def test_every_list_with_a_cursor_is_tested_here(api: Api) -> None:
    """But those that only keys may ask for that see all."""
    document = (await api.get("/openapi.json")).json
    paths = {
        path
        for path, methods in document["paths"].items()
        if any(each.get("name") == "cursor" for each in _parameters(document, methods.get("get", {})))
    }
    shared = {path for path in paths if {Scope.READ_ALL, Scope.ADMIN} & set(ROUTES["GET", path].scopes)}
    assert paths - shared == LISTS.keys()


def _parameters(document: Any, operation: Any) -> list[Any]:
    found = []
    for each in operation.get("parameters", ()):
        name = each.get("$ref", "").rpartition("/")[2]
        found.append(document["components"]["parameters"][name] if name else each)
    return found


async def test_pages_are_full_whatever_others_have(api: Api) -> None:
    """So neither their number nor a cursor depends on it."""
    loop, numbers = asyncio.get_running_loop(), itertools.count()

    async def example(path: str, owners: list[bool], limit: int) -> None:
        number = next(numbers)
        # One sorts before the other, or behind it.
        own, other = (f"b{number}", f"{'a' if number % 2 else 'c'}{number}")
        key = bearer(await api.make_key(own, *OWN))
        for mine in owners:
            await add(api, path, own if mine else other)
        left = sum(owners)
        full = [min(limit, left - first) for first in range(0, left, limit)]
        assert await page_sizes(api, key, path, limit, len(full) + 1) == (full or [0])

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        path=st.sampled_from(list(LISTS)),
        owners=st.lists(st.booleans(), max_size=12),
        limit=st.integers(1, 4),
    )
    def examples(path: str, owners: list[bool], limit: int) -> None:
        asyncio.run_coroutine_threadsafe(example(path, owners, limit), loop).result(PATIENCE)

    await asyncio.to_thread(examples)
