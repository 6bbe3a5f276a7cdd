"""The OpenAPI document: it has every route, and real answers are as it says."""

import hashlib
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import orjson
import pytest

from taskrunner.api.auth.scopes import ROUTES
from taskrunner.api.http.page import WEB
from taskrunner.api.views.view import View
from taskrunner.domain.keys.api_key import Scope
from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.record import DeadLetter, DeadLetterKind
from taskrunner.domain.tasks.status import Status
from tests.flow.api.harness import Answer, Api
from tests.flow.api.test_access import bearer

OF_WORKERS = ("/executors/{executor}/lease", "/tasks/{id}/heartbeat", "/tasks/{id}/status")


def views(base: type[View] = View) -> dict[str, type[View]]:
    """Every view by its name."""
    found = {base.__name__: base}
    for each in base.__subclasses__():
        found |= views(each)
    return found


async def described(api: Api, method: str, path: str, answer: Answer) -> Any:
    """What the document says of an answer's content, by its status and media type."""
    document = (await api.get("/openapi.json")).json
    responses = document["paths"][path][method.lower()]["responses"]
    content = responses.get(str(answer.status), responses["default"])["content"]
    return content[answer.headers["Content-Type"].partition(";")[0]]["schema"]


async def check(api: Api, method: str, path: str, answer: Answer) -> None:
    """Hold an answer against the view, or one of the views, that the document names for it."""
    schema = await described(api, method, path, answer)
    known = [views()[each["$ref"].rpartition("/")[2]] for each in schema.get("anyOf", [schema])]
    for view in known[:-1]:
        with suppress(msgspec.ValidationError):
            msgspec.json.decode(answer.content, type=view)
            return
    msgspec.json.decode(answer.content, type=known[-1])


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_every_route_is_described(api: Api, prefix: str) -> None:
    """Those of the index, which are those of the router."""
    document = (await api.get(f"{prefix}/openapi.json")).json
    endpoints = {
        f"{method.upper()} {path}" for path, methods in document["paths"].items() for method in methods
    }
    assert endpoints == set((await api.get("/")).json["endpoints"])
    router = {
        f"{route.method} {route.resource.canonical}"
        for route in api.app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    pairs = [endpoint.split() for endpoint in endpoints]
    assert router == {f"{method} {under}{path}" for method, path in pairs for under in ("", "/api/v1")}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)


async def test_references_lead_somewhere(api: Api) -> None:
    """Every `$ref` of the document names one of its schemas."""
    answer = await api.get("/openapi.json")
    assert answer.json["openapi"].startswith("3.1")
    names = set(re.findall(rb'"#/components/schemas/(\w+)"', answer.content))
    assert names <= {name.encode() for name in answer.json["components"]["schemas"]}
    assert {b"TaskDraft", b"TaskView", b"ProblemView"} <= names


async def test_the_scopes_of_each_route_are_described(api: Api) -> None:
    """By the table that judges requests: a key in either form, 401 and 403; nothing for open routes."""
    document = (await api.get("/openapi.json")).json
    assert {name: each["scheme"] for name, each in document["components"]["securitySchemes"].items()} == {
        "bearer": "bearer",
        "basic": "basic",
    }
    for (method, path), needs in ROUTES.items():
        operation = document["paths"][path][method.lower()]
        scopes = [scope.value for scope in needs.scopes]
        assert operation["security"] == ([] if needs.is_open else [{"bearer": scopes}, {"basic": scopes}])
        assert ({"401", "403"} <= operation["responses"].keys()) != needs.is_open


async def test_answers_are_as_described(api: Api) -> None:
    """Good ones and problems, each with all its members and no others."""
    submitted = await api.submit(headers={"X-A": "b"}, labels={"a": "b"}, retry={"base": 2})
    task_id = submitted.json["id"]
    await check(api, "POST", "/tasks", submitted)
    response = Response(
        status=200, body=b"hi", size_bytes=2, content_type="text/plain", headers=(("A", "b"),)
    )
    await api.finish(task_id, Status.SUCCEEDED, response)
    failed_id = (await api.submit()).json["id"]
    await api.finish(failed_id, Status.FAILED)
    await api.submit(delay=60)
    letter = DeadLetter(
        id="message-1",
        kind=DeadLetterKind.MESSAGE,
        reason="rejected",
        error="no JSON",
        died_at=datetime.now(UTC),
        queue=None,
        raw=b"\xff",
        x_death=orjson.dumps([{"count": 1}]).decode(),
    )
    await api.store.add_dead_messages([letter], retention=60)
    for form, path in (("", ""), ("/1", "/{number}")):
        asked = f"/tasks/{task_id}/attempts{form}?format=har"
        await check(api, "GET", f"/tasks/{{id}}/attempts{path}", await api.get(asked))
    for path, asked in {
        "/": "/",
        "/tasks": "/tasks",
        "/tasks/{id}": f"/tasks/{task_id}",
        "/tasks/{id}/attempts": f"/tasks/{task_id}/attempts",
        "/tasks/{id}/attempts/{number}": f"/tasks/{task_id}/attempts/1",
        "/dead-letters": "/dead-letters",
        "/dead-letters/{id}": "/dead-letters/message-1",
        "/pauses": "/pauses",
        "/health": "/health",
        "/livez": "/livez",
        "/readyz": "/readyz",
        "/stats": "/stats",
    }.items():
        answer = await api.get(asked)
        assert answer.status == 200
        await check(api, "GET", path, answer)
    await check(api, "POST", "/pause", await api.ask("POST", "/pause?queue=low"))
    for path in ():
        await check(api, "POST", path, await api.ask("POST", f"{path}?all=true&dry_run=true"))
    requeue = "/dead-letters/{id}/requeue"
    for letter_id, status in ((failed_id, 202), ("message-1", 409), ("nobody", 404)):
        answer = await api.ask("POST", f"/dead-letters/{letter_id}/requeue")
        assert answer.status == status
        await check(api, "POST", requeue, answer)
    await check(api, "POST", "/tasks", await api.submit(method="?", colour="blue"))
    await check(api, "GET", "/tasks", await api.get("/tasks?limit=none"))


async def test_every_part_of_the_document_says_what_it_is(api: Api) -> None:
    """Each view, draft and parameter has a description; a member is required unless it can be left out."""
    document = (await api.get("/openapi.json")).json
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    parameters = [each for operation in operations for each in operation.get("parameters", ())]
    assert all(each["description"] and each["schema"] for each in parameters)
    schemas = document["components"]["schemas"]
    assert all(schemas[name]["description"] for name in views() if name in schemas)
    task = schemas["TaskView"]
    assert task["required"] == list(task["properties"])
    moment = {"type": "string", "format": "date-time"}
    assert task["properties"]["due_at"] == {"anyOf": [moment, {"type": "null"}]}
    assert schemas["ProblemView"]["required"] == ["type", "title", "status", "code", "detail", "request_id"]


async def test_the_routes_of_a_resource_have_its_tag(api: Api) -> None:
    """`service` is for monitoring and the pages of this server."""
    tags: dict[str, set[str]] = {}
    for path, methods in (await api.get("/openapi.json")).json["paths"].items():
        for operation in methods.values():
            tags.setdefault(operation["tags"][0], set()).add(path)
    assert tags["webhooks"] == {"/webhooks", "/webhooks/{webhook}"}
    assert (tags["events"], tags["audit"]) == ({"/events"}, {"/audit"})
    assert not any(path.endswith("}") for path in tags["service"] - {"/docs/{file}", "/console/{path}"})


async def test_every_operation_is_complete(api: Api) -> None:
    """A name, a tag, a summary, an example for each body, and the problem for each error."""
    document = (await api.get("/openapi.json")).json
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemView"}}}
    lacking = []
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            found = {
                "operationId": re.fullmatch(r"[a-z]+(_[a-z0-9_-]+)+", operation["operationId"]),
                "tag": len(operation["tags"]) == 1,
                "summary": operation["summary"].endswith("."),
                "security": "security" in operation,
                "example": all(
                    "example" in media or "examples" in media["schema"]
                    for media in operation.get("requestBody", {"content": {}})["content"].values()
                ),
                "problem": all(
                    operation["responses"][status]["content"] == problem
                    for status in operation["responses"]
                    if status == "default" or int(status) >= 400
                ),
                "default": "default" in operation["responses"],
            }
            lacking += [f"{method} {path}: {name}" for name, is_there in found.items() if not is_there]
    # 503 of these is an answer that says why.
    assert lacking == ["get /health: problem", "get /readyz: problem"]


async def test_every_example_is_accepted(api: Api) -> None:
    """As it stands in the document, on what the examples before it have made."""
    document = (await api.get("/openapi.json")).json
    names = {"{name}": "daily-report", "{pattern}": "example.com", "{key}": "shop"}
    order = ("post", "put", "patch")
    refused = []
    # One of the examples makes a key, from which on every request needs one.
    key = bearer(await api.make_key("boss", Scope.ADMIN))
    for wanted in order:
        for path, methods in document["paths"].items():
            for kind, media in methods.get(wanted, {}).get("requestBody", {"content": {}})["content"].items():
                (example,) = [media["example"]] if "example" in media else media["schema"]["examples"]
                raw = example if isinstance(example, str) else json.dumps(example)
                asked = re.sub(r"\{\w+\}", lambda match: names.get(match[0], "ended"), path)
                answer = await api.ask(wanted.upper(), asked, data=raw, headers={"Content-Type": kind, **key})
                # The key in the example of a login is none, and nothing was leased to the worker of others.
                is_known = path == "/sessions" or (path in OF_WORKERS and answer.status in {404, 409})
                if answer.status >= 300 and not is_known:
                    refused.append((wanted, path, kind, answer.status, answer.content))
    assert refused == []


async def test_a_parameter_is_described_by_what_checks_it(api: Api) -> None:
    """The largest limit of the document is accepted, one more is refused."""
    document = (await api.get("/openapi.json")).json
    parameters = document["paths"]["/tasks"]["get"]["parameters"]
    (limit,) = [each for each in parameters if each["name"] == "limit"]
    largest = limit["schema"]["maximum"]
    assert (await api.get(f"/tasks?limit={largest}")).status == 200
    await api.refusal(400, "bad_query", "GET", f"/tasks?limit={largest + 1}")


@pytest.mark.parametrize("prefix", ["", "/api/v1"])
async def test_the_page_loads_only_files_of_its_own(api: Api, prefix: str) -> None:
    """Its policy allows no script in the page and no other server."""
    page = await api.get(f"{prefix}/docs")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert page.headers["Content-Security-Policy"].startswith(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self';"
    )
    named = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page.content.decode())
    assert len(named) == 4
    types = {"js": "text/javascript", "css": "text/css", "json": "application/json"}
    for name in named:
        answer = await api.get(f"{prefix}/{name}")
        assert answer.status == 200
        assert answer.headers["Content-Type"].partition(";")[0] == types[name.rpartition(".")[2]]
        assert answer.headers["Server"] == "taskrunner"
    await api.refusal(404, "not_found", "GET", f"{prefix}/docs/VERSION")


def test_vendored_files_are_those_that_were_fetched() -> None:
    """By the hashes that the script wrote down."""
    folder = WEB / "vendor" / "swagger-ui"
    hashes = dict(re.findall(r"^([0-9a-f]{64})  (\S+)$", (folder / "VERSION").read_text(), re.MULTILINE))
    names = {hashed: name for name, hashed in hashes.items()}
    assert {path.name for path in folder.iterdir()} == {"VERSION", *names}
    for name, expected in names.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == expected


async def test_schedules_are_as_described(api: Api) -> None:
    """Made, changed, listed, paused, resumed and run."""
    fields = {"cron": "@daily", "task": {"url": "http://a.test/", "headers": {"X": "y"}, "body": "z"}}
    path = "/schedules/{name}"
    made = await api.ask("POST", "/schedules", json={"name": "a", **fields})
    await check(api, "POST", "/schedules", made)
    for _ in range(2):
        await check(api, "PUT", path, await api.ask("PUT", "/schedules/b", json=fields))
    await check(api, "GET", "/schedules", await api.get("/schedules"))
    await check(api, "GET", path, await api.get("/schedules/a"))
    for verb in ("pause", "resume", "run"):
        await check(api, "POST", f"{path}/{verb}", await api.ask("POST", f"/schedules/a/{verb}"))
    assert (await api.ask("DELETE", "/schedules/a")).status == 204
    await check(api, "GET", path, await api.get("/schedules/a"))


async def test_hosts_are_as_described(api: Api) -> None:
    """Limited, shown, listed and reset."""
    limit = "/hosts/{pattern}/limit"
    given = await api.ask("PUT", "/hosts/a.test/limit", json={"concurrency": 2, "rate": "10/s", "burst": 3})
    await check(api, "PUT", limit, given)
    await check(api, "PUT", limit, await api.ask("PUT", "/hosts/a.test/limit", json={}))
    await check(api, "GET", "/hosts/{host}", await api.get("/hosts/a.test"))
    await check(api, "POST", "/hosts/{host}/reset", await api.ask("POST", "/hosts/a.test/reset"))
    await check(api, "GET", "/hosts", await api.get("/hosts"))
    assert (await api.ask("DELETE", "/hosts/a.test/limit")).status == 204
    missing = await api.ask("DELETE", "/hosts/a.test/limit")
    await check(api, "DELETE", limit, missing)


async def test_the_content_type_of_each_kind_of_body_is_described(api: Api) -> None:
    """In the document itself, for every schema that takes a task's body."""
    schemas = (await api.get("/openapi.json")).json["components"]["schemas"]
    takes_body = [
        each["properties"] for each in schemas.values() if "body_base64" in each.get("properties", {})
    ]
    assert takes_body
    for properties in takes_body:
        assert "application/json" in properties["body"]["description"]
        assert "Content-Type" in properties["body_base64"]["description"]
