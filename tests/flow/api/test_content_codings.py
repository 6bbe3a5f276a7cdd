"""Coded answers: the same content in other bytes, each with its own entity tag."""

import gzip
import zlib
from typing import Any

import pytest

from taskrunner.domain.tasks.outcome import Response
from taskrunner.domain.tasks.status import Status
from taskrunner.runtime.zstd_coding import zstd
from tests.flow.api.harness import Answer, Api

DECODE = {"gzip": gzip.decompress, "zstd": zstd.decompress}


@pytest.fixture
async def large(api: Api) -> str:
    """The path of an answer that is worth coding."""
    for number in range(12):
        await api.submit(id=f"a{number}", labels={"text": "x" * 200}, delay=60)
    return "/tasks"


async def ask(api: Api, path: str, accepted: str | None, **headers: str) -> Answer:
    """As a client that decodes nothing by itself and accepts nothing by default."""
    given = {**headers, **({} if accepted is None else {"Accept-Encoding": accepted})}
    skipped = ["Accept-Encoding"] if accepted is None else []
    url = f"http://127.0.0.1:{api.server.port}{path}"
    async with api.session.get(
        url, headers=given, skip_auto_headers=skipped, auto_decompress=False
    ) as response:
        return Answer(response.status, response.headers, await response.read())


@pytest.mark.parametrize("coding", list(DECODE))
async def test_a_coded_answer_is_the_same(api: Api, large: str, coding: str) -> None:
    """With its length, `Vary`, and a tag of its own; the same bytes each time, as a strong tag promises."""
    plain, coded, again = [await ask(api, large, each) for each in (None, coding, coding)]
    assert "Content-Encoding" not in plain.headers
    assert plain.headers.getall("Vary") == coded.headers.getall("Vary") == ["Accept", "Accept-Encoding"]
    assert coded.headers["Content-Encoding"] == coding
    assert coded.headers["Content-Length"] == str(len(coded.content))
    assert len(coded.content) < len(plain.content) / 4
    assert DECODE[coding](coded.content) == plain.content
    assert again.content == coded.content
    assert coded.headers["ETag"] == f'{plain.headers["ETag"][:-1]}-{coding}"'


async def test_each_coding_is_known_by_its_own_tag(api: Api, large: str) -> None:
    """RFC 9110 8.8.3.3: 304 names what the client has, and a tag of another coding is another thing."""
    tags = {coding: (await ask(api, large, coding)).headers["ETag"] for coding in (None, *DECODE)}
    assert len(set(tags.values())) == 3
    for coding in tags:
        for other, tag in tags.items():
            answer = await ask(api, large, coding, **{"If-None-Match": tag})
            assert answer.status == (304 if other == coding else 200)
            assert answer.headers["ETag"] == tags[coding]
            assert "Accept-Encoding" in answer.headers.getall("Vary")
        every = await ask(api, large, coding, **{"If-None-Match": ", ".join(tags.values())})
        assert (every.status, every.headers["ETag"], every.content) == (304, tags[coding], b"")
        assert "Content-Encoding" not in every.headers


async def test_a_head_says_what_a_get_would(api: Api, large: str) -> None:
    got = await ask(api, large, "gzip")
    url = f"http://127.0.0.1:{api.server.port}{large}"
    async with api.session.head(url, headers={"Accept-Encoding": "gzip"}) as answer:
        for name in ("ETag", "Content-Encoding", "Content-Length", "Content-Type"):
            assert answer.headers[name] == got.headers[name]


async def test_a_large_answer_is_coded_beside_the_loop(api: Api) -> None:
    """Half a megabyte; whatever the threads do, the content is right."""
    content = b"".join(b"line %d\n" % number for number in range(60_000))
    await api.submit(id="a")
    result = Response(status=200, body=content, size_bytes=len(content), content_type="text/plain")
    await api.finish("a", Status.SUCCEEDED, result)
    for coding, decode in DECODE.items():
        answer = await ask(api, "/tasks/a/body", coding)
        assert decode(answer.content) == content
        known = await ask(api, "/tasks/a/body", coding, **{"If-None-Match": answer.headers["ETag"]})
        assert (known.status, known.content) == (304, b"")


async def test_bytes_and_streams_are_not_coded(api: Api, large: str) -> None:
    """Bytes of others may be coded already; a stream is sent as it comes."""
    content = bytes(range(256)) * 40
    await api.submit(id="b")
    result = Response(status=200, body=content, size_bytes=len(content), content_type="image/png")
    await api.finish("b", Status.SUCCEEDED, result)
    answer = await ask(api, "/tasks/b/body", "gzip, zstd")
    assert ("Content-Encoding" in answer.headers, answer.content) == (False, content)
    lines = await ask(api, large, "gzip, zstd", Accept="application/x-ndjson")
    assert "Content-Encoding" not in lines.headers
    assert lines.content.count(b"\n") == 14


async def test_a_problem_is_coded_and_has_no_tag(api: Api) -> None:
    """Also one that answers a condition."""
    wrong: Any = "&".join(f"x{number}{'y' * 300}=1" for number in range(18))
    answer = await ask(api, f"/tasks?{wrong}", "gzip", **{"If-None-Match": "*"})
    assert (answer.status, "ETag" in answer.headers) == (400, False)
    content = answer.content
    if "Content-Encoding" in answer.headers:
        content = zlib.decompress(content, 31)
    assert b"bad_query" in content
