"""`Fetch.mask_headers`: whatever the API answers, the values of these headers are not in it."""

from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api

# The harness masks X-Tenant.
HEADERS = {"x-tenant": "s3cret"}


async def test_no_answer_shows_a_masked_header(api: Api) -> None:
    """Of a request or an answer, in tasks, lists, attempts in every form, and schedules."""
    answers: list[Answer] = [await api.submit(id="t", headers=HEADERS)]
    await api.finish("t", Status.FAILED, Response(status=500, headers=(("X-TENANT", "s3cret"),)))
    schedule = {"name": "s", "cron": "@daily", "task": {"url": "http://a.example/", "headers": HEADERS}}
    answers += [await api.ask("POST", "/schedules", json=schedule)]
    answers += [await api.ask("POST", f"/schedules/s/{verb}") for verb in ("pause", "resume", "run")]
    for path in (
        "/tasks",
        "/tasks/t",
        "/tasks/t/attempts",
        "/tasks/t/attempts?format=har",
        "/tasks/t/attempts/1",
        "/tasks/t/attempts/1?format=har",
        "/tasks/t/attempts/1?format=curl",
        "/dead-letters",
        "/dead-letters/t",
        "/schedules",
        "/schedules/s",
    ):
        answers.append(await api.get(path))
    answers.append(await api.ask("POST", "/dead-letters/t/requeue"))
    answers.append(await api.ask("POST", "/tasks/t/cancel"))

    assert [answer.status // 100 for answer in answers] == [2] * len(answers)
    assert not [answer.content for answer in answers if b"s3cret" in answer.content]
