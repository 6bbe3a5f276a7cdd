"""What a client accepts: the grammar of weights, and whether it wants lines."""

import pytest

from taskrunner.api.http.accept import wants_lines, weights


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", {}),
        (" , ,", {}),
        ("gzip", {"gzip": 1.0}),
        ("GZip ; Q=0.5 , *;q=0", {"gzip": 0.5, "*": 0.0}),
        ("text/html;level=1;q=0.25, */*", {"text/html": 0.25, "*/*": 1.0}),
        ("a;q=1.000,b;q=0.,c;q=1.", {"a": 1.0, "b": 0.0, "c": 1.0}),
        ("a;q=2,b;q=-1,c;q=nan,d;q=inf,e;q=,f;q=1.001,g;q=0.1234,h;q=1e0", dict.fromkeys("abcdefgh", 0.0)),
    ],
)
def test_weights_are_read_by_their_grammar(header: str, expected: dict[str, float]) -> None:
    """RFC 9110 12.4.2: from 0 to 1 with three digits at most; whatever is not one accepts nothing."""
    assert weights(header) == expected


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("application/x-ndjson", True),
        ("Application/X-NDJSON; charset=utf-8", True),
        ("application/x-ndjson, */*", True),
        ("application/x-ndjson, */*;q=0.1", True),
        ("application/json;q=0.5, application/x-ndjson", True),
        ("application/x-ndjson;q=0.5, application/json;q=0.4, */*", True),
        ("application/json, application/x-ndjson", False),
        ("application/x-ndjson;q=0.5, application/*", False),
        ("application/x-ndjson;q=0", False),
        ("application/x-ndjson;q=0, */*;q=0", False),
        ("application/json", False),
        ("text/html,application/xhtml+xml,*/*;q=0.8", False),
        ("*/*", False),
        ("", False),
    ],
)
def test_lines_are_for_who_names_them(accept: str, expected: bool) -> None:
    """And does not prefer a document."""
    assert wants_lines(accept) is expected
