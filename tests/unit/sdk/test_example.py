"""The example of docs/python-handlers.md, as its users would test it."""

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from taskrunner.handlers.python.findings import findings_of
from taskrunner.handlers.python.registry import REGISTRY
from taskrunner.sdk.testing import run

EXAMPLE = Path(__file__).parents[3] / "examples" / "python" / "shop.py"
TEA = {"article": "tea", "count": 2, "price": "3.50"}


@pytest.fixture
def shop() -> Iterator[ModuleType]:
    """Imported for each test, whose registry it fills."""
    spec = importlib.util.spec_from_file_location("shop", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["shop"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["shop"]


def test_its_handlers_are_sound(shop: ModuleType) -> None:
    assert findings_of(REGISTRY) == []


def test_an_invoice_is_the_result(shop: ModuleType) -> None:
    ended = run(shop.send_invoice, {"number": 7, "lines": [TEA, TEA]})
    assert (ended.status, ended.result) == ("succeeded", {"number": 7, "total": "14.00"})
    assert ended.progress is not None


@pytest.mark.parametrize(
    ("handler", "data", "attempt", "status", "delay"),
    [
        ("send_invoice", {"number": 7, "lines": [{**TEA, "price": "0"}]}, 1, "failed", None),
        ("send_invoice", {"number": 7, "lines": []}, 1, "failed", None),
        ("look_at_stock", {"article": "tea"}, 1, "succeeded", None),
        ("look_at_stock", {"article": "milk"}, 1, "failed", None),
        ("look_at_stock", {"article": "coffee"}, 1, "retrying", 60.0),
        ("look_at_stock", {"article": "coffee"}, 2, "scheduled", 3600.0),
    ],
)
def test_each_way_out_of_a_handler(
    shop: ModuleType, handler: str, data: Any, attempt: int, status: str, delay: float | None
) -> None:
    ended = run(handler, data, attempt=attempt)
    assert (ended.status, ended.delay) == (status, delay)
