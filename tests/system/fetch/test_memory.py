"""What a server sends in bulk does not pile up, in however many workers at once."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pytest

from tests.tools import behaviours
from tests.tools.fetching import peak_growth_bytes
from tests.tools.hostile import Hostile

# The product's bound for one running fetch.
BOUND_BYTES = 16 * 1024 * 1024
WORKERS = 10


@pytest.mark.parametrize(
    "name",
    [
        "t11_flood_of_100",
        "t12_tiny_chunks",
        "b01_announced_too_large",
        "b02_endless",
        "b03_gzip_bomb",
        "b04_endless_gzip",
        "b05_deflate_bomb",
        "b09_large_headers",
        "b10_endless_headers",
        "b12_chunk_extension",
        "b13_many_trailers",
        "b13_large_trailer",
        "b14_long_status_line",
    ],
)
def test_memory_stays_in_bounds(name: str, hostile: Hostile) -> None:
    """Ten fetches at once grow their process by less than ten times the bound for one."""
    urls = (hostile.url(behaviours.answer), hostile.url(getattr(behaviours, name)))

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as processes:
        growth = processes.submit(peak_growth_bytes, *urls, WORKERS, 2.0, 8 * 1024 * 1024).result(60)

    assert growth < WORKERS * BOUND_BYTES
