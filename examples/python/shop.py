"""Handlers of a small shop: invoices for orders, and a look at a supplier's stock.

cd examples/python
taskrunner executors check shop
taskrunner dev --handlers shop
curl -s localhost:8000/tasks -H 'content-type: application/json' -d '{
  "executor": "send_invoice",
  "data": {"number": 7, "lines": [{"article": "tea", "count": 2, "price": "3.50"}]}}'
"""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TypedDict

from pydantic import BaseModel, Field

from taskrunner.sdk import Exponential, Fail, Retry, Snooze, Task, dependency, handler


class Line(BaseModel):
    """One article of an order."""

    article: str
    count: int = Field(ge=1)
    price: Decimal


class Order(BaseModel):
    """The data of `send_invoice`: a submit of anything else is refused, with the reason."""

    number: int
    lines: list[Line] = Field(min_length=1)


@dataclass
class Invoice:
    """The result of `send_invoice`, as JSON in the task."""

    number: int
    total: Decimal


@dependency
@contextmanager
def ledger() -> Iterator[sqlite3.Connection]:
    """Opened once per worker process. Threads share it, and SQLite locks it for them."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    connection.execute("CREATE TABLE invoices (number INTEGER PRIMARY KEY, total TEXT)")
    yield connection
    connection.close()


@handler("send_invoice", schema=Order, retry=Exponential(attempts=5, base=2), timeout=30)
def send_invoice(task: Task[Order]) -> Invoice:
    """Sends the invoice of an order."""
    order = task.data
    total = sum((line.count * line.price for line in order.lines), Decimal())
    if total <= 0:
        raise Fail(f"order {order.number} has nothing to pay")
    task.progress(0.5, "written")
    # An attempt may be repeated, so what it does twice must be as if done once.
    ledger.get().execute("INSERT OR REPLACE INTO invoices VALUES (?, ?)", (order.number, str(total)))
    task.log.info("order %s: %s to pay", order.number, total)
    return Invoice(order.number, total)


class Article(TypedDict):
    """The data of `look_at_stock`."""

    article: str


STOCK = {"tea": 12, "coffee": 0}


@handler("look_at_stock", schema=Article, timeout=10)
async def look_at_stock(task: Task[Article]) -> int:
    """Asks the supplier how much there is of an article."""
    await asyncio.sleep(0)  # where a client for HTTP or a database would wait
    if task.data["article"] not in STOCK:
        raise Fail("there is no such article")
    count = STOCK[task.data["article"]]
    if not count and task.attempt == 1:
        raise Retry("sold out; perhaps it comes in", after=60)
    if not count:
        raise Snooze(3600, "sold out until tomorrow")
    return count
