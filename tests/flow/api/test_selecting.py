"""Lists by conditions: tasks and dead letters, in pages, with bounded work per call."""

from datetime import UTC, datetime

import pytest

from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.status import Status
from taskrunner.domain.tasks.task_filter import TaskFilter
from taskrunner.producer.search import Search
from tests.flow.api.harness import Api


async def ids(api: Api, query: str) -> list[str]:
    answer = await api.get(f"/tasks?{query}")
    assert answer.status == 200, answer.content
    return [task["id"] for task in answer.json["tasks"]]


async def test_tasks_are_listed_by_conditions(api: Api) -> None:
    await api.submit(id="a", labels={"team": "red"}, priority="high", delay=60)
    await api.submit(id="b", labels={"team": "blue"}, url="http://other.example/")
    await api.submit(id="c", labels={"team": "red"})
    await api.finish("c", Status.FAILED)
    assert await ids(api, "label=team") == ["c", "b", "a"]
    assert await ids(api, "label=team%3Dred") == ["c", "a"]
    assert await ids(api, "label=team=red&status=scheduled") == ["a"]
    assert await ids(api, "host=other.example&queue=medium") == ["b"]
    assert await ids(api, "outcome=http_error&finished_after=1h") == ["c"]
    assert await ids(api, "created_before=1h") == []


async def test_pages_go_on_where_the_last_one_ended(api: Api) -> None:
    """Whatever the limit, each task that meets the conditions is listed once."""
    wanted = []
    for number in range(30):
        task_id = (await api.submit(labels={"odd": str(number % 2)}, delay=60)).json["id"]
        wanted += [task_id] if number % 2 else []
    for limit in (1, 4, 100):
        found, more = list[str](), ""
        for _ in range(40):
            page = (await api.get(f"/tasks?label=odd=1&limit={limit}{more}")).json
            assert len(page["tasks"]) <= limit
            found += [task["id"] for task in page["tasks"]]
            if page["next_cursor"] is None:
                break
            more = f"&cursor={page['next_cursor']}"
        assert found == wanted[::-1]


async def test_a_call_looks_at_so_many_and_no_more(api: Api) -> None:
    """What it did not get to is behind the cursor."""
    for number in range(30):
        await api.submit(id=f"t{number:02}", delay=60, labels={} if number else {"rare": "1"})
    search = Search(api.store, max_checked=10)
    rare = TaskFilter(labels={"rare": None})
    pages = [await search.tasks(rare, limit=5, cursor=None)]
    while pages[-1].cursor is not None:
        pages.append(await search.tasks(rare, limit=5, cursor=pages[-1].cursor))
    assert [record.task.id for page in pages for record in page.items] == ["t00"]
    assert len(pages) >= 3


async def test_dead_letters_are_listed_by_conditions(api: Api) -> None:
    await api.submit(id="failed", labels={"team": "red"}, priority="low")
    await api.finish("failed", Status.FAILED)
    message = DeadLetter(
        id="message-1",
        kind=DeadLetterKind.MESSAGE,
        reason="rejected",
        error="not JSON",
        died_at=datetime.now(UTC),
        queue="high",
        raw=b"x",
    )
    await api.store.add_dead_messages([message], retention=100)

    async def letters(query: str) -> list[str]:
        return [letter["id"] for letter in (await api.get(f"/dead-letters?{query}")).json["dead_letters"]]

    assert set(await letters("finished_after=1h")) == {"failed", "message-1"}
    assert await letters("reason=rejected") == ["message-1"]
    assert await letters("queue=low") == ["failed"]
    assert await letters("label=team=red&outcome=http_error&host=example.com") == ["failed"]
    assert await letters("host=other") == []


async def test_wrong_conditions_are_told_all_at_once(api: Api) -> None:
    problem = await api.refusal(
        400, "bad_query", "GET", "/tasks?status=gone&queue=no!&lable=x&created_after=1"
    )
    assert {error["field"] for error in problem["errors"]} == {"status", "queue", "lable", "created_after"}
    assert 'did you mean "label"?' in problem["detail"]
    await api.refusal(400, "bad_query", "GET", "/dead-letters?status=failed")


@pytest.mark.parametrize("cursor", ["0", "x|y", "a=b", "1~2", "." * 4096])
@pytest.mark.parametrize("path", ["/tasks", "/dead-letters", "/tasks?status=failed"])
async def test_a_cursor_of_another_origin_is_a_bad_query(api: Api, path: str, cursor: str) -> None:
    """It has the characters of a cursor, and is none."""
    mark = "&" if "?" in path else "?"
    problem = await api.refusal(400, "bad_query", "GET", f"{path}{mark}cursor={cursor}")
    assert problem["errors"][0]["field"] == "cursor"
