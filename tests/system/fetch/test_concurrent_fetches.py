"""Fifty workers at one hostile server: each ends in time and within its memory."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from taskrunner.handlers.http.settings import TrustStore
from tests.tools import behaviours
from tests.tools.cases import CASES, TIMEOUT, Case
from tests.tools.fetching import fetch_concurrently, make_task
from tests.tools.hostile import Hostile

# The memory that one running fetch may take.
BOUND_BYTES = 16 * 1024 * 1024
WORKERS = 50


@pytest.fixture(scope="module")
def process() -> Iterator[ProcessPoolExecutor]:
    """A process of its own, so that the servers' memory is not counted."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as made:
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_fifty_fetches_stay_within_their_limits(
    case: Case, hostile: Hostile, url_of: Callable[[Case], str], ca_file: str, process: ProcessPoolExecutor
) -> None:
    """All end, and within memory. Some may time out first on a busy machine."""
    fields: dict[str, Any] = {"method": "POST", "body": "x" * 1_000_000} if case.content else {}
    task = make_task(url_of(case), timeout=case.timeout, **fields)
    settings = {"max_body_bytes": 4 * 1024 * 1024, "trust": TrustStore(file=ca_file)}

    fetches = process.submit(
        fetch_concurrently, task, hostile.url(behaviours.answer), WORKERS, **settings
    ).result(90)

    assert fetches.kinds.keys() <= {case.kind, TIMEOUT}
    assert fetches.kinds.total() == WORKERS
    assert fetches.growth_bytes < WORKERS * BOUND_BYTES
