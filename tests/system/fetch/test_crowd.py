"""Fifty workers at one hostile server: each ends in time, and what it sends in bulk does not pile up."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from taskrunner.handlers.http.fetch_policy import TrustStore
from tests.tools import behaviours
from tests.tools.cases import CASES, TIMEOUT, Case
from tests.tools.fetching import fetch_in_crowd, make_task
from tests.tools.hostile import Hostile

# The product's bound for one running fetch.
BOUND_BYTES = 16 * 1024 * 1024
WORKERS = 50
# Over the deadline, on a machine that is busy with the servers too: only a fetch that hangs takes so long.
GRACE = 30.0


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """Another process: the servers' memory is not counted."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fifty_fetches_stay_in_bounds(
    case: Case, hostile: Hostile, url_of: Callable[[Case], str], ca_file: str, process: ProcessPoolExecutor
) -> None:
    """In time and memory. That some time out first shows only how much one machine can do at once."""
    fields: dict[str, Any] = {"method": "POST", "body": "x" * 1_000_000} if case.content else {}
    task = make_task(url_of(case), timeout=case.timeout, **fields)
    settings = {"max_body_bytes": 4 * 1024 * 1024, "trust": TrustStore(file=ca_file)}

    crowd = process.submit(fetch_in_crowd, task, hostile.url(behaviours.answer), WORKERS, **settings).result(
        90
    )

    assert crowd.kinds.keys() <= {case.kind, TIMEOUT}
    assert crowd.kinds.total() == WORKERS
    assert crowd.slowest <= case.timeout + GRACE
    assert crowd.growth_bytes < WORKERS * BOUND_BYTES
