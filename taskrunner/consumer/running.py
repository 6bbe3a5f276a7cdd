"""An attempt between its claim and its ack."""

from dataclasses import dataclass
from datetime import datetime

from taskrunner.brokers.base import Delivery
from taskrunner.consumer.stint import Stint
from taskrunner.consumer.tally import Tally
from taskrunner.domain.outcome import Outcome


@dataclass(slots=True, eq=False, kw_only=True)
class Running(Stint):
    """A claimed attempt: what the worker gets, and what settling it will need."""

    delivery: Delivery
    attempt_limit: int
    claimed_at: datetime
    tally: Tally | None = None

    @property
    def key(self) -> tuple[str, int]:
        return self.attempting.task.id, self.attempting.number


@dataclass(slots=True, eq=False)
class Finished:
    """A running attempt with its outcome, ready to be judged and settled."""

    running: Running
    outcome: Outcome
