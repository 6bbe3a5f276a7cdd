"""The evidence of a trial: what every ledger says, put side by side for the checks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.system.chaos.traffic import Order
from tests.system.harness.ledger import Submit
from tests.system.harness.target import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class Callback:
    """A callback that its receiver saw: of which task, and the id that tells repetitions."""

    task: str
    webhook_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a process holds when nothing is to do."""

    threads: int
    sockets: int
    rss_bytes: int


@dataclass(slots=True, kw_only=True)
class Evidence:
    """`records` are what `GET /tasks/{id}` answered when the task was first seen terminal, or at the
    deadline; `last_records` a later look; None is a 404.

    A task whose record the fault itself wiped out (`wiped`) may have none, if the target ran it. `recovery`
    is seconds from the fault's end, None if the rate never came back.
    """

    orders: Mapping[str, Order]
    submits: Sequence[Submit]
    records: Mapping[str, Any]
    last_records: Mapping[str, Any]
    hits: Sequence[Hit]
    wiped: bool = False
    letters: Sequence[str] = ()  # bodies of the unreadable messages that became dead letters
    poison: Sequence[str] = ()  # bodies of those that were published
    callbacks: Sequence[Callback] = ()
    wants_callback: frozenset[str] = frozenset()
    recovery: float | None = 0.0
    recovers_within: float = 30.0
    usage: Mapping[str, tuple[Usage, Usage]] = field(default_factory=dict)  # before and after, by process
    texts: Mapping[str, str] = field(default_factory=dict)  # logs and pages, by name
    secrets: Sequence[str] = ()

    @property
    def ids(self) -> dict[str, str]:
        """The task id of each name that was accepted."""
        return {submit.id: submit.task_id for submit in self.submits if submit.accepted_at is not None}

    def hits_by_task(self) -> dict[str, list[Hit]]:
        found: dict[str, list[Hit]] = {}
        for hit in self.hits:
            found.setdefault(hit.task, []).append(hit)
        return found

    def hits_by_name(self) -> dict[str, list[Hit]]:
        found: dict[str, list[Hit]] = {}
        for hit in self.hits:
            found.setdefault(hit.path.rpartition("/")[2], []).append(hit)
        return found
