"""Content codings: asked for, undone, or kept as they came."""

import pytest

from taskrunner.domain.tasks.outcome import OutcomeKind
from tests.system.fetch.conftest import Fetcher
from tests.tools.behaviours import answers
from tests.tools.encoders import ENCODERS
from tests.tools.hostile import Hostile

GZIP = "Content-Encoding: gzip"


@pytest.mark.parametrize("given", [{"Range": "bytes=0-3"}, {"range": "bytes=0-3", "Accept-Encoding": "br"}])
@pytest.mark.parametrize(("status", "coded"), [(206, True), (206, False), (200, True)])
def test_a_part_is_asked_for_without_a_coding(
    given: dict[str, str], status: int, coded: bool, hostile: Hostile, fetch: Fetcher
) -> None:
    """RFC 9110 14.2: a range counts coded bytes, so a coded part is kept as it came."""
    whole = ENCODERS["gzip"](b"hello")
    body = (whole[:4] if status == 206 else whole) if coded else b"hell"
    lines = [GZIP] if coded else []
    url = hostile.url(answers(status, body, "Content-Range: bytes 0-3/25", *lines))

    outcome = fetch(url, headers=given)

    asked = hostile.ledger.requests[0].header("Accept-Encoding")
    assert asked == given.get("Accept-Encoding", "identity")
    assert (outcome.kind, outcome.response is None) == (OutcomeKind.OK, False)
    assert outcome.response is not None
    assert outcome.response.undecodable is (coded and status == 206)
    assert outcome.response.body == (b"hello" if coded and status == 200 else body)


@pytest.mark.parametrize(
    "headers",
    [("Content-Encoding: gzip, br",), ("Content-Encoding: gzip", "content-encoding: br, identity")],
)
def test_codings_are_listed_in_one_line_or_several(
    headers: tuple[str, ...], hostile: Hostile, fetch: Fetcher
) -> None:
    body = ENCODERS["br"](ENCODERS["gzip"](b"hello"))
    outcome = fetch(hostile.url(answers(200, body, *headers)))

    assert outcome.response is not None
    assert (outcome.response.body, outcome.response.undecodable) == (b"hello", False)
