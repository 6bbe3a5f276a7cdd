"""The traffic of a trial: a mix of tasks with their expected ends, each noted before and after.

A name stands for one task: it is the task's id or its idempotency key, and the last part of its URL's path,
so that the target's ledger can be held against it.
"""

import http.client
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.chaos.executors import DELAY, HANDLED, REQUESTED
from tests.system.harness.http import Client
from tests.system.harness.ledger import Submit, SubmitLedger
from tests.system.harness.load import Load

SUCCEEDED, FAILED, REFUSED = "succeeded", "failed", "refused"
EITHER = "cancelled or succeeded"
RETRY: Mapping[str, object] = {"strategy": "constant", "base": 0.3}
_ANSWERS_WITHIN = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One task to hand in: its fields, the key it goes under (None: its id), and its expected end."""

    name: str
    fields: Mapping[str, Any]
    key: str | None = None
    expect: str = SUCCEEDED


@dataclass(slots=True)
class Orders:
    """Makes orders for `/run/name` at a target; of fifty, a few are not plain.

    Without `delayed` none waits in the store alone, which a fault may wipe. Without `calls_back` no end is
    told by a callback, which waits there too, and of which there are two where a store loses an end. A fifth
    is of `executors`, if the deployment has those of `chaos.executors`.
    """

    base: str  # the target's URL without a path
    run: str
    secret: str
    delayed: bool = True
    calls_back: bool = True
    executors: bool = False
    made: dict[str, Order] = field(default_factory=dict)

    @property
    def told_path(self) -> str:
        return f"/{self.run}-told/"

    def make(self, number: int) -> Order:
        match number % 50:
            case 7:
                return self.add(number, expect=REFUSED, timeout=-1)
            case 17:
                return self.add(number, "status=404", expect=FAILED)
            case 27:
                return self.add(number, "fail=1")
            case 37 if self.delayed:
                return self.add(number, delay=2)
            case 28 if self.executors:
                return self.add_handled(number, "fail=1")
            case last if last % 10 == 4 and self.executors:
                return self.add_requested(number)
            case last if last % 10 == 8 and self.executors:
                return self.add_handled(number, f"delay={DELAY}")
            case last if last % 10 == 2 and self.calls_back:
                return self.add(number, "delay=0.05", told=self.base)
            case _:
                return self.add(number, "delay=0.05")

    def add(
        self,
        number: int | str,
        query: str = "",
        *,
        expect: str = SUCCEEDED,
        keyed: bool | None = None,
        told: str | None = None,
        **fields: Any,
    ) -> Order:
        """An order of one's own; every other one goes by an idempotency key.

        `told` is the base of the URL that gets a callback, under a path that is no task's of the run.
        """
        name = self._name(number)
        draft = {
            "url": self._url(name, query),
            "headers": {"X-Api-Token": self.secret},
            **({} if told is None else {"callback": {"url": f"{told}{self.told_path}{name}"}}),
            **fields,
        }
        by_key = isinstance(number, int) and number % 2 == 0 if keyed is None else keyed
        return self._note(name, draft, expect=expect, by_key=by_key)

    def add_requested(self, number: int) -> Order:
        """For the HTTP executor, whose URL its data completes."""
        name = self._name(number)
        data = {"run": self.run, "name": name}
        draft = {"executor": REQUESTED, "data": data, "headers": {"X-Api-Token": self.secret}}
        return self._note(name, draft, by_key=number % 4 == 0)

    def add_handled(self, number: int, query: str) -> Order:
        """For the Python handler. No circuit breaker spares its attempts while the target is away."""
        name = self._name(number)
        data = {"url": self._url(name, query), "token": self.secret}
        draft = {"executor": HANDLED, "data": data, "max_attempts": 100}
        return self._note(name, draft, by_key=number % 4 == 0)

    def _name(self, number: int | str) -> str:
        return f"{self.run}-{number:06d}" if isinstance(number, int) else f"{self.run}-{number}"

    def _url(self, name: str, query: str) -> str:
        return f"{self.base}/{self.run}/{name}" + (f"?{query}" if query else "")

    def _note(self, name: str, draft: Mapping[str, Any], *, expect: str = SUCCEEDED, by_key: bool) -> Order:
        draft = {"retry": RETRY, **({} if by_key else {"id": name}), **draft}
        order = Order(name=name, fields=draft, key=name if by_key else None, expect=expect)
        self.made[name] = order
        return order


class Traffic(Load):
    """Runs while it is a context; `pause` holds it back, for a fault that wants silence."""

    def __init__(
        self, ports: Sequence[int], folder: Path, orders: Orders, *, rate: float, host: str = "127.0.0.1"
    ) -> None:
        self.ledger = SubmitLedger(folder / f"{orders.run}.jsonl")
        super().__init__(
            ports, self.ledger, url=str, rate=rate, prefix=orders.run, host=host, timeout=_ANSWERS_WITHIN
        )
        self.orders = orders
        self._flowing = threading.Event()
        self._flowing.set()

    def pause(self) -> None:
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    @property
    def accepted(self) -> list[Submit]:
        return [submit for submit in self.ledger.submits if submit.accepted_at is not None]

    def client(self) -> Client:
        """A connection to the first API."""
        return Client(self.ports[0], host=self._host)

    def submit(self, order: Order, client: Client) -> int | None:
        """Hand in one order; the status of the answer, None when there was none."""
        self.ledger.before(order.name)
        headers = {"Idempotency_Key": order.key} if order.key else {}
        try:
            answer = client.post("/tasks", order.fields, **headers)
            given = str(answer.json["id"]) if answer.status == 202 else ""
        except (OSError, http.client.HTTPException, ValueError) as exc:
            self.ledger.after(order.name, None, type(exc).__name__)
            return None
        self.ledger.after(order.name, answer.status, given=given)
        return answer.status

    def _submit(self, client: Client, number: int) -> bool:
        while not self._flowing.wait(0.1):
            if self._stopping.is_set():
                break
        name = f"{self.orders.run}-{number:06d}"
        order = self.orders.made.get(name) or self.orders.make(number)
        status = self.submit(order, client)
        return status is not None and status < 500
