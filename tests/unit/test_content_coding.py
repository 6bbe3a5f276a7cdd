"""Which coding an answer gets, by what the client accepts and how large the answer is."""

import pytest

from taskrunner.api.http.content_coding import chosen_coding

LARGE, SMALL = 4096, 4095


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", "gzip"),
        ("x-gzip", "gzip"),
        ("GZIP", "gzip"),
        ("zstd", "zstd"),
        ("gzip, deflate, br, zstd", "zstd"),
        ("gzip, deflate", "gzip"),
        ("br, deflate", None),
        ("identity", None),
        ("*", "gzip"),
        ("*;q=0.5", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("gzip;q=0, *", None),
        ("gzip;q=0", None),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd;q=0.5, gzip;q=0.501", "gzip"),
        ("zstd;q=0.5, gzip;q=0.5", "zstd"),
        ("gzip;q=0.5, identity", None),
        ("gzip;q=0.5, identity;q=0.5", "gzip"),
        ("gzip, identity;q=0.5", "gzip"),
        ("gzip, *;q=0", "gzip"),
        ("*;q=0", None),
        ("identity;q=0", None),
        ("identity;q=0, *;q=0.1", "gzip"),
        ("gzip;q=2", None),
        ("gzip;q=nan", None),
        ("gzip;q=0.0001", None),
        ("gzip ; q=1.000 ,", "gzip"),
        (",", None),
    ],
)
def test_the_coding_with_the_highest_weight(accepted: str, expected: str | None) -> None:
    """RFC 9110 12.5.3: no coding is acceptable unless it is refused, and preferred only where it is named."""
    assert chosen_coding(accepted, LARGE) == expected


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip, zstd", None),
        ("gzip, identity;q=0", "gzip"),
        ("zstd, *;q=0", "zstd"),
        ("*;q=0", None),
    ],
)
def test_a_small_answer_is_coded_only_for_who_refuses_it_plain(accepted: str, expected: str | None) -> None:
    assert chosen_coding(accepted, SMALL) == expected
