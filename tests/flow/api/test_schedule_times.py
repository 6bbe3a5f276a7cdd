"""The slots of schedules: what the last ones came to, and when the next ones are."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from taskrunner.domain.codec import encode
from taskrunner.domain.schedules.schedule import slot_task_id
from taskrunner.domain.schedules.schedule_draft import ScheduleDraft
from taskrunner.domain.tasks.record import Record
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_limits import TaskLimits
from taskrunner.producer.schedule_admin import stored_form
from taskrunner.producer.schedule_runs import schedule_runs
from taskrunner.stores.operator_store import OperatorStore
from tests.contract.stores.harness import entry, make_task
from tests.flow.api.harness import Api
from tests.flow.api.test_access import bearer
from tests.flow.api.test_isolation import OWN

FIELDS: dict[str, Any] = {"cron": "0 * * * *", "task": {"url": "http://a.test/"}}


async def made(api: Api, name: str, hours_ago: float, **fields: Any) -> None:
    """A schedule that has been there for so long."""
    draft = ScheduleDraft.from_json(encode({**FIELDS, **fields}), TaskLimits())
    schedule = draft.to_schedule(name, now=datetime.now(UTC) - timedelta(hours=hours_ago))
    assert await api.store.save_schedule(stored_form(schedule), expected=None)


async def run(api: Api, name: str, slot: str) -> str:
    """The task of a slot, which has failed."""
    at = datetime.fromisoformat(slot)
    task = make_task(id=slot_task_id(name, at), created_at=at)
    await api.store.accept([entry(task)])
    await api.finish(task.id, Status.FAILED)
    return task.id


async def test_the_last_slots_have_the_status_of_their_tasks(api: Api) -> None:
    """The oldest first; a slot without a task did not run, or is not kept."""
    await made(api, "hourly", 50)
    (empty,) = (await api.get("/schedule-runs?count=3")).json["schedules"]
    slots = [each["slot"] for each in empty["runs"]]
    assert slots == sorted(slots)
    assert len(slots) == 3
    task_id = await run(api, "hourly", slots[1])
    (shown,) = (await api.get("/schedule-runs?count=3")).json["schedules"]
    # By slot: a full hour may have passed.
    (failed,) = [each for each in shown["runs"] if each["slot"] == slots[1]]
    assert (failed["status"], failed["task_id"]) == ("failed", task_id)
    assert failed["finished_at"] is not None
    assert [each["status"] for each in shown["runs"] if each is not failed] == [None, None]


class TickingStore:
    """Notes how often others ran before the tasks of the slots were read."""

    def __init__(self) -> None:
        self.ticks = 0

    async def tick(self) -> None:
        while True:
            self.ticks += 1
            await asyncio.sleep(0)

    async def get_many(self, ids: Sequence[str]) -> dict[str, Record]:
        self.ticks_before = self.ticks
        return {}


async def test_others_go_on_between_two_schedules() -> None:
    """The slots of 200 schedules take up to a second."""
    draft = ScheduleDraft.from_json(encode(FIELDS), TaskLimits())
    now = datetime.now(UTC)
    schedules = [draft.to_schedule(f"s{number}", now=now - timedelta(days=1)) for number in range(5)]
    store = TickingStore()
    ticking = asyncio.create_task(store.tick())
    await schedule_runs(cast(OperatorStore, store), schedules, count=3, now=now)
    ticking.cancel()
    assert store.ticks_before >= len(schedules)


async def test_no_slot_is_older_than_the_schedule(api: Api) -> None:
    """Nor is there one of a schedule whose first slot is to come."""
    await made(api, "yearly", 0, cron="@yearly")
    await made(api, "hourly", 2.5)
    answer = (await api.get("/schedule-runs?count=20")).json
    hourly, yearly = answer["schedules"]
    assert yearly == {"name": "yearly", "runs": []}
    # In two hours and a half there are two full hours, or three.
    assert len(hourly["runs"]) in {2, 3}


async def test_no_slot_is_of_another_timetable(api: Api) -> None:
    """It would look like one that was missed. A change of other fields keeps the slots."""
    await made(api, "hourly", 50)

    async def slots_after(**changes: Any) -> int:
        assert (await api.ask("PATCH", "/schedules/hourly", json=changes)).status == 200
        (shown,) = (await api.get("/schedule-runs?count=3")).json["schedules"]
        return len(shown["runs"])

    assert await slots_after(missed="skip", cron=FIELDS["cron"]) == 3
    # A slot may pass at this moment.
    assert await slots_after(time_zone="Asia/Kathmandu") <= 1
    assert await slots_after(cron="0 0 29 2 *") == 0


async def test_schedules_have_pages(api: Api) -> None:
    """The same as those of the list."""
    for name in "abc":
        await made(api, name, 3)
    first = (await api.get("/schedule-runs?limit=2")).json
    second = (await api.get(f"/schedule-runs?limit=2&cursor={first['next_cursor']}")).json
    names = [each["name"] for page in (first, second) for each in page["schedules"]]
    assert names == ["a", "b", "c"]
    assert second["next_cursor"] is None


async def test_a_key_sees_the_slots_of_its_own_schedules(api: Api) -> None:
    """By the names and ids that it knows."""
    key = bearer(await api.make_key("mine", *OWN))
    await made(api, "mine~a", 3)
    await made(api, "theirs~a", 3)
    answer = await api.ask("GET", "/schedule-runs", headers=key)
    (own,) = answer.json["schedules"]
    assert own["name"] == "a"
    assert {each["task_id"].partition("-")[0] for each in own["runs"]} == {"a"}


async def test_a_timetable_tells_the_next_slots(api: Api) -> None:
    """In UTC, as everywhere in the API, of an expression in a time zone."""
    answer = (await api.get("/timetable?cron=0+3+*+*+*&time_zone=Asia/Tokyo&count=2")).json
    first, second = [datetime.fromisoformat(each) for each in answer["slots"]]
    assert (first.hour, second - first) == (18, timedelta(days=1))
    assert first > datetime.now(UTC)
    assert (answer["cron"], answer["time_zone"]) == ("0 3 * * *", "Asia/Tokyo")
    assert len((await api.get("/timetable")).json["slots"]) == 10


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("cron=61+*+*+*+*", "cron"),
        ("cron=0+0+30+2+*", "cron"),
        ("cron=hourly", "cron"),
        ("time_zone=Berlin", "time_zone"),
        ("count=21", "count"),
    ],
)
async def test_a_timetable_that_cannot_be_is_refused(api: Api, query: str, field: str) -> None:
    """With what is wrong, as of a schedule."""
    problem = await api.refusal(400, "bad_query", "GET", f"/timetable?{query}")
    assert [each["field"] for each in problem["errors"]] == [field]
