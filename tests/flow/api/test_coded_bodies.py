"""Bodies of requests with a `Content-Encoding`."""

import gzip

import pytest

from tests.flow.api.harness import Api


@pytest.mark.parametrize(
    ("path", "kind"), [("/tasks", "application/json"), ("/tasks/batch", "application/x-ndjson")]
)
@pytest.mark.parametrize("cut", [1, 8, 20])
async def test_a_coded_body_that_was_cut_is_400(api: Api, path: str, kind: str, cut: int) -> None:
    """Not a line of it is taken."""
    encoded = gzip.compress(b'{"url":"http://a.test/"}\n' * (1 if path == "/tasks" else 50))
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    refused = await api.refusal(400, "bad_request", "POST", path, data=encoded[:-cut], headers=headers)
    assert "ends too early" in refused["detail"]
    assert (await api.get("/tasks")).json["tasks"] == []
    assert (await api.ask("POST", path, data=encoded, headers=headers)).status in {200, 202}


@pytest.mark.parametrize("path", ["/tasks", "/tasks/batch"])
async def test_a_coded_body_is_decoded_within_the_limit(api: Api, path: str) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    encoded = gzip.compress(b" " * 50_000_000)
    await api.refusal(413, "body_too_large", "POST", path, data=encoded, headers=headers)
