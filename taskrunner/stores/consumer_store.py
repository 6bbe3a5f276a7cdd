"""The part of a store that a consumer asks: claims, leases and settlements."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from taskrunner.domain.tasks.settlement import Settlement
from taskrunner.domain.tasks.status import FOLLOWERS, TERMINAL, Status
from taskrunner.domain.value import Value
from taskrunner.stores.values import AttemptRef


class ClaimAnswer(StrEnum):
    """The result of one claim; only a `CLAIMED` attempt may run."""

    CLAIMED = "claimed"
    HELD = "held"  # this attempt already runs at another consumer
    STALE = "stale"  # another attempt is next, or the task is terminal or deleted
    PAST_DEADLINE = "past_deadline"
    UNKNOWN = "unknown"  # there is no record: adopt the task


class Claimed(Value):
    """The answer to a claim; `attempt_limit` counts only for `CLAIMED`."""

    answer: ClaimAnswer
    attempt_limit: int = 0


class SnoozeRequest(Value):
    """Delays a task that waits for this attempt until `due`; a reason, `waits_for`, is counted and shown."""

    id: str
    attempt: int
    due: datetime
    waits_for: str | None = None


class ConsumerStore(ABC):
    """Starts and ends attempts."""

    @abstractmethod
    async def claim(
        self, refs: Sequence[AttemptRef], *, now: datetime, lease_until: datetime, consumer: str
    ) -> Sequence[Claimed]:
        """Start attempts: status `running`, `attempt` counted up, due when the lease ends.

        A consumer that did not get the answer may claim again and gets `CLAIMED` once more.
        """

    @abstractmethod
    async def renew(self, refs: Sequence[AttemptRef], *, lease_until: datetime) -> Sequence[bool]:
        """Extend leases, and keep the progress of attempts that have some, which is a change that is logged.

        False for a task that no longer runs this attempt.
        """

    @abstractmethod
    async def still_running(self, refs: Sequence[AttemptRef]) -> Sequence[bool]:
        """Whether these attempts are still to run; reads only.

        False where the record says that another attempt or none runs, and for a deleted task. True where the
        record is missing for another reason: running a lost task is better than dropping it.
        """

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> Sequence[bool]:
        """End attempts, each in one atomic step with the tasks that follow it.

        False, and nothing written, for a task that no longer runs this attempt.
        """

    @abstractmethod
    async def snooze(self, snoozes: Sequence[SnoozeRequest], *, now: datetime) -> Sequence[bool]:
        """Schedule tasks that wait (scheduled, queued, retrying) for this attempt for their `due`.

        False for any other. The attempt has not begun, so it is not counted.
        """

    @abstractmethod
    async def fail(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        reason: str,
        error: str,
        retention: float,
        past_deadline: bool = False,
    ) -> Sequence[bool]:
        """Fail tasks that wait (scheduled, queued, retrying) for this attempt, without running it.

        False for any other; with `past_deadline` also for a task whose deadline has not passed. `reason` is
        the dead letter's. The record is kept for `retention` seconds.
        """


def check_settlement(item: Settlement) -> None:
    """Raises `ValueError` for a status that cannot follow `running`, or that does not fit `due`."""
    if item.status not in FOLLOWERS[Status.RUNNING]:
        raise ValueError(f"task {item.id}: {item.status} cannot follow running")
    if (item.due is None) is not (item.status in TERMINAL):
        raise ValueError(f"task {item.id}: due is set exactly for a status that is not terminal")


def follow_up_bytes(item: Settlement | AttemptRef) -> int:
    """About what the tasks that follow add to a call, by which a batch is cut into parts."""
    return sum(len(each.encoded) for each in item.follow_ups)


def settlement_bytes(item: Settlement) -> int:
    """Like `follow_up_bytes`, with the body of the result."""
    return follow_up_bytes(item) + (0 if item.result is None else len(item.result.body))
