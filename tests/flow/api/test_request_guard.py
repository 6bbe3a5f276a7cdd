"""What every request must pass: the host, the page that sent it, its query, its conditions."""

import pytest

from tests.flow.api.harness import Api

EVERY_ROUTE = [
    ("GET", "/tasks/x"),
    ("DELETE", "/tasks/x"),
    ("POST", "/tasks"),
    ("POST", "/tasks/batch"),
    ("POST", "/tasks/x/cancel"),
    ("POST", "/operations"),
    ("GET", "/tasks/x/body"),
    ("GET", "/tasks/x/attempts"),
    ("GET", "/dead-letters/x"),
    ("DELETE", "/dead-letters/x"),
    ("POST", "/dead-letters/x/requeue"),
    ("POST", "/schedules"),
    ("PUT", "/schedules/x"),
    ("POST", "/schedules/x/run"),
    ("GET", "/pauses"),
    ("POST", "/hosts/example.com/reset"),
    ("PUT", "/hosts/example.com/limit"),
    ("GET", "/health"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/"),
]


@pytest.mark.parametrize(("method", "path"), EVERY_ROUTE)
async def test_an_unknown_query_parameter_is_refused_on_every_route(api: Api, method: str, path: str) -> None:
    """One that is ignored does harm: `DELETE /tasks/x?dry_run=true` deleted."""
    members = await api.refusal(400, "bad_query", method, f"{path}?no_such=true")
    assert members["errors"][0] == {"field": "no_such", "message": "unknown parameter"}


async def test_a_body_where_none_is_taken_changes_nothing(api: Api) -> None:
    """What says nothing is no harm: some clients send `{}` with each request."""
    task_id = (await api.submit(delay=60)).json["id"]
    path = f"/tasks/{task_id}"
    wrong = (b'{"dry_run": true}', b"null", b"[]", b"x=1", b" " * 65, b"{" * 100_000)
    for body in wrong:
        for method, target in (
            ("POST", f"{path}/cancel"),
            ("DELETE", path),
            ("GET", "/tasks"),
            ("POST", "/pause?all=true"),
        ):
            await api.refusal(400, "bad_request", method, target, data=body)
    assert (await api.ask("GET", path, data=b"")).json["status"] == "scheduled"
    assert (await api.ask("GET", "/pauses")).json["pauses"] == []
    for body in (b"", b"{}", b" {}\r\n"):
        task_id = (await api.submit(delay=60)).json["id"]
        cancelled = await api.ask("POST", f"/tasks/{task_id}/cancel", data=body)
        assert (cancelled.status, cancelled.json["status"]) == (200, "cancelled")


async def test_a_dry_run_that_is_not_known_deletes_nothing(api: Api) -> None:
    await api.submit(id="kept")
    await api.refusal(400, "bad_query", "DELETE", "/tasks/kept?dry_run=true")
    assert (await api.get("/tasks/kept")).status == 200


@pytest.mark.parametrize(
    ("method", "headers"),
    [
        ("DELETE", {"If-Match": '"abc"'}),
        ("DELETE", {"If-Unmodified-Since": "Sat, 29 Oct 2044 19:43:31 GMT"}),
        ("DELETE", {"If-None-Match": "*"}),
    ],
)
async def test_a_condition_that_cannot_be_checked_is_refused(
    api: Api, method: str, headers: dict[str, str]
) -> None:
    await api.submit(id="kept")
    await api.refusal(412, "precondition_failed", method, "/tasks/kept", headers=headers)
    assert (await api.get("/tasks/kept")).status == 200


@pytest.mark.parametrize("headers", [{"If-Match": "*"}, {"If-None-Match": '"a"'}])
async def test_a_condition_that_holds_without_entity_tags_is_obeyed(
    api: Api, headers: dict[str, str]
) -> None:
    assert (await api.ask("GET", "/tasks", headers=headers)).status == 200


async def test_a_part_cannot_be_written(api: Api) -> None:
    headers = {"Content-Range": "bytes 0-1/10"}
    await api.refusal(400, "bad_header", "PUT", "/schedules/x", headers=headers, json={})


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "nonsense"},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://127.0.0.1"},
        {"Origin": "http://evil.test"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://127.0.0.1.evil.test"},
        {"Origin": "file://"},
        {"Origin": "http://127.0.0.1:99999"},
    ],
)
@pytest.mark.parametrize("path", ["/operations", "/pause?all=true", "/tasks/x/cancel", "/tasks"])
async def test_another_site_changes_nothing(api: Api, path: str, headers: dict[str, str]) -> None:
    await api.refusal(403, "cross_site_request", "POST", path, headers=headers)
    assert (await api.get("/pauses")).json == {"pauses": []}


async def test_our_own_page_and_programs_may_change(api: Api) -> None:
    own = f"http://127.0.0.1:{api.server.port}"
    for headers in (
        {"Sec-Fetch-Site": "same-origin", "Origin": own},
        {"Sec-Fetch-Site": "none"},
        {"Origin": own},
        {},
    ):
        assert (await api.ask("POST", "/pause?queue=low", headers=headers)).status == 200


async def test_another_site_may_link_to_us(api: Api) -> None:
    assert (await api.ask("GET", "/tasks", headers={"Sec-Fetch-Site": "cross-site"})).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.test", "evil.test:8000", "127.0.0.1.evil.test", "localhost.evil.test", "a@localhost", "::1", ""],
)
async def test_a_foreign_host_is_refused(api: Api, host: str) -> None:
    """DNS rebinding: the name is theirs, the address ours."""
    members = await api.refusal(421, "host_unknown", "GET", "/tasks", headers={"Host": host})
    assert "Api.hosts" in members["detail"]


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8000", "app.localhost", "localhost.", "127.0.0.1", "[::1]:8000", "10.0.0.5:80"],
)
async def test_loopback_and_addresses_are_served(api: Api, host: str) -> None:
    assert (await api.ask("GET", "/tasks", headers={"Host": host})).status == 200


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/api/v1/livez"])
async def test_probes_answer_to_any_name(api: Api, path: str) -> None:
    assert (await api.ask("GET", path, headers={"Host": "pod-7.internal"})).status == 200


async def test_the_target_of_a_request_outranks_its_host(api: Api) -> None:
    """RFC 9112 3.2.2: an absolute target replaces `Host`."""
    head = b"GET http://evil.test/tasks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await api.talk(head)).startswith(b"HTTP/1.1 421 ")


@pytest.mark.parametrize("offset", [" 02:00", "+02:00", "%2B02:00"])
@pytest.mark.parametrize("name", ["created_after", "created_before", "finished_after", "finished_before"])
async def test_a_plus_in_a_time_may_arrive_as_a_blank(api: Api, name: str, offset: str) -> None:
    for path in ("/tasks", "/dead-letters"):
        answer = await api.get(f"{path}?{name}=2030-01-31T12:00:00{offset}".replace(" ", "+"))
        assert answer.status == 200, answer.content
