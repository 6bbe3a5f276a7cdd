"""A request that is repeated makes no second task: idempotency keys and ids of the callers."""

import asyncio
from typing import Any

import pytest

from tests.flow.api.harness import Api

URL = "http://example.com/"


async def test_the_same_key_and_content_get_the_first_task_again(api: Api) -> None:
    headers = {"Idempotency-Key": '"key 1"'}
    first = await api.ask("POST", "/tasks", json={"url": URL}, headers=headers)
    again = await api.ask("POST", "/tasks", json={"url": URL}, headers={"Idempotency-Key": "key 1"})
    assert first.status == again.status == 202
    assert again.json["id"] == first.json["id"]
    assert again.headers["Location"] == first.headers["Location"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"


async def test_the_same_key_in_parallel_makes_one_task(api: Api) -> None:
    posts = [
        api.ask("POST", "/tasks", json={"url": URL}, headers={"Idempotency-Key": "k"}) for _ in range(50)
    ]
    answers = await asyncio.gather(*posts)
    assert {answer.status for answer in answers} == {202}
    assert len({answer.json["id"] for answer in answers}) == 1
    assert sum("Idempotency-Replayed" not in answer.headers for answer in answers) == 1


async def test_the_same_key_with_other_content_is_refused(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    await api.ask("POST", "/tasks", json={"url": URL}, headers=headers)
    options: Any = {"json": {"url": URL + "other"}, "headers": headers}
    await api.refusal(422, "idempotency_key_reused", "POST", "/tasks", **options)


@pytest.mark.parametrize("key", ["", "x" * 256, "\u00e9"])
async def test_a_bad_key_is_refused(api: Api, key: str) -> None:
    options: Any = {"json": {"url": URL}, "headers": {"Idempotency-Key": key}}
    await api.refusal(400, "bad_header", "POST", "/tasks", **options)


async def test_an_id_of_the_callers_own_counts_once_and_is_not_reused_for_other_content(api: Api) -> None:
    first = await api.submit(id="order-7", delay=5)
    again = await api.submit(id="order-7", delay=5)
    assert (again.status, again.json["id"]) == (202, first.json["id"])
    assert again.headers["Idempotency-Replayed"] == "true"
    await api.refusal(409, "state_conflict", "POST", "/tasks", json={"url": URL + "b", "id": "order-7"})


EVERY = ["succeeded", "failed", "cancelled"]
SAID = {
    "url": URL,
    "method": "POST",
    "headers": {"X-A": "1", "X-B": "2"},
    "labels": {"a": "1", "b": "2"},
    "timeout": 60,
    "retry_on": [404, 500],
}


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (SAID, dict(reversed(SAID.items()))),
        (SAID, {**SAID, "headers": {"x-b": "2", "X-A": "1"}}),
        (SAID, {**SAID, "labels": {"b": "2", "a": "1"}}),
        (SAID, {**SAID, "timeout": 60.0}),
        (SAID, {**SAID, "method": "post", "retry_on": [500, 404]}),
        (SAID, {**SAID, "url": "HTTP://EXAMPLE.com:80/"}),
        (SAID, {**SAID, "priority": "medium", "max_attempts": 5, "delay": 0, "retry_unsafe": False}),
        (SAID, {**SAID, "write_concern": "broker", "body": None, "retry": {"strategy": "exponential"}}),
        ({"url": URL, "delay": 60}, {"url": URL, "delay": 60.0}),
        ({"url": URL, "body": {"a": 1, "b": [60]}}, {"url": URL, "body": {"b": [60.0], "a": 1e0}}),
        (
            {"url": URL, "run_at": "2027-01-01T00:00:00Z"},
            {"url": URL, "run_at": "2027-01-01T01:00:00.0+01:00"},
        ),
        ({"url": URL, "body": "hé"}, {"url": URL, "body_base64": "aMOp"}),
        (
            {"url": URL, "body": {"a": 1.0}},
            {"url": URL, "body_base64": "eyJhIjoxfQ==", "headers": {"content-type": "application/json"}},
        ),
        ({"url": URL, "delay": 90}, {"url": URL, "delay": "1m30s"}),
        ({"url": URL, "callback": {"url": URL}}, {"url": URL, "callback": {"events": EVERY, "url": URL}}),
    ],
)
async def test_the_same_meaning_is_the_same_request(api: Api, first: Any, again: Any) -> None:
    """However it is spelt; for a key, and for an id."""
    headers = {"Idempotency-Key": "k"}
    answers = [await api.ask("POST", "/tasks", json=task, headers=headers) for task in (first, again)]
    assert [answer.status for answer in answers] == [202, 202], answers[1].content
    assert answers[0].json["id"] == answers[1].json["id"]
    answers = [await api.ask("POST", "/tasks", json={**task, "id": "mine"}) for task in (first, again)]
    assert [answer.status for answer in answers] == [202, 202], answers[1].content


@pytest.mark.parametrize(
    "other",
    [
        {**SAID, "timeout": 61},
        {**SAID, "headers": {"X-A": "2", "X-B": "1"}},
        {**SAID, "body": ""},
        {**SAID, "body": [1]},
        {**SAID, "body_base64": "/w=="},
        {**SAID, "dedup": {"key": "k"}},
        {**SAID, "delay": 1},
        {**SAID, "id": "mine"},
        {**SAID, "write_concern": "store"},
        {**SAID, "labels": {}},
    ],
)
async def test_another_meaning_is_another_request(api: Api, other: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    assert (await api.ask("POST", "/tasks", json=SAID, headers=headers)).status == 202
    await api.refusal(422, "idempotency_key_reused", "POST", "/tasks", json=other, headers=headers)


async def test_a_key_stays_taken_when_its_task_is_deleted(api: Api) -> None:
    """A late repetition must not run the task again."""
    headers = {"Idempotency-Key": "k"}
    first = await api.ask("POST", "/tasks", json=SAID, headers=headers)
    assert (await api.ask("DELETE", f"/tasks/{first.json['id']}")).status == 204
    problem = await api.refusal(409, "state_conflict", "POST", "/tasks", json=SAID, headers=headers)
    assert "deleted" in problem["detail"]
    await api.refusal(422, "idempotency_key_reused", "POST", "/tasks", json={"url": URL}, headers=headers)


async def test_one_dedup_in_two_spellings_is_the_same_request(api: Api) -> None:
    headers = {"Idempotency-Key": "k"}
    spelt = [{"key": "k", "ttl": 60}, {"mode": "RETURN", "ttl": "1m", "key": "k"}]
    answers = [
        await api.ask("POST", "/tasks", json={"url": URL, "dedup": each}, headers=headers) for each in spelt
    ]
    assert [answer.status for answer in answers] == [202, 202]
    assert answers[1].headers["Idempotency-Replayed"] == "true"


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ({"delay": 1_234_567}, {"delay": 1_234_568}),
        ({"delay": 0.1234567}, {"delay": 0.1234568}),
        ({"body_base64": "/w=="}, {"body_base64": "/g=="}),
        ({"dedup": {"key": "k"}}, {"dedup": {"key": "k", "ttl": 1}}),
        ({"timeout": 1.0000001}, {"timeout": 1.0000002}),
    ],
)
async def test_values_that_differ_a_little_are_other_requests(api: Api, first: Any, other: Any) -> None:
    options: Any = {"headers": {"Idempotency-Key": "k"}}
    assert (await api.ask("POST", "/tasks", json={"url": URL, **first}, **options)).status == 202
    await api.refusal(422, "idempotency_key_reused", "POST", "/tasks", json={"url": URL, **other}, **options)


async def test_a_batch_repeated_whole_is_told_by_its_header(api: Api) -> None:
    """Each item is the task of the first time; the header is there when no item is new."""
    headers = {"Idempotency-Key": "k"}
    sent = [
        {"url": URL, "timeout": 60},
        {"url": URL, "idempotency_key": "own", "labels": {"a": "1", "b": "2"}},
    ]
    same = [
        {"timeout": 60.0, "url": URL},
        {"labels": {"b": "2", "a": "1"}, "idempotency_key": "own", "url": "HTTP://example.com:80/"},
    ]
    first = await api.ask("POST", "/tasks/batch", json=sent, headers=headers)
    again = await api.ask("POST", "/tasks/batch", json=same, headers=headers)
    more = await api.ask("POST", "/tasks/batch", json=[*same, URL], headers=headers)
    ids = [item["id"] for item in first.json["items"]]
    assert [(item["status"], item["id"], item["created"]) for item in again.json["items"]] == [
        (202, each, False) for each in ids
    ]
    assert [item["id"] for item in more.json["items"]][:2] == ids
    told = ["Idempotency-Replayed" in answer.headers for answer in (first, again, more)]
    assert told == [False, True, False]
    alone = await api.ask("POST", "/tasks", json={"url": URL}, headers={"Idempotency-Key": "own"})
    assert alone.status == 422
