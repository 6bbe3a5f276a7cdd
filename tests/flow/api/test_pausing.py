"""Pausing and resuming by the API."""

import pytest

from tests.flow.api.harness import Api


async def scopes(api: Api, method: str, path: str) -> list[str]:
    answer = await api.ask(method, path)
    assert answer.status == 200, answer.content
    return [pause["scope"] for pause in answer.json["pauses"]]


async def test_scopes_are_paused_and_resumed(api: Api) -> None:
    """Each answer is what is paused then; a pause keeps the time of the first."""
    assert await scopes(api, "GET", "/pauses") == []
    assert await scopes(api, "POST", "/pause?queue=high&queue=low") == ["queue:high", "queue:low"]
    first = (await api.get("/pauses")).json
    assert await scopes(api, "POST", "/pause?queue=high") == ["queue:high", "queue:low"]
    assert (await api.get("/pauses")).json == first
    assert await scopes(api, "POST", "/api/v1/pause?all=true&label=team=red") == [
        "all",
        "label:team=red",
        "queue:high",
        "queue:low",
    ]
    assert await scopes(api, "POST", "/resume?all=true&queue=low") == ["label:team=red", "queue:high"]
    assert await scopes(api, "POST", "/resume?label=team=red&queue=high&queue=medium") == []


@pytest.mark.parametrize(
    ("query", "field"),
    [("", "all"), ("?queue=fast", "queue"), ("?label==x", "label"), ("?all=yes", "all"), ("?host=x", "host")],
)
async def test_what_cannot_be_paused_is_refused(api: Api, query: str, field: str) -> None:
    problem = await api.refusal(400, "bad_query", "POST", f"/pause{query}")
    assert field in {error["field"] for error in problem["errors"]}
