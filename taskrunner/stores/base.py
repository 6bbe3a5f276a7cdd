"""The seam to a store: what every adapter promises, and the values that cross it.

Every change is conditional on the state it expects, and each call commits its batch before it returns.
The contract tests in `tests/contract` say the same in code; each adapter passes them.
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar

from taskrunner.domain.new_task import NewTask as NewTask
from taskrunner.domain.new_task import StoredTask
from taskrunner.domain.record import Attempt, DeadLetter, Record
from taskrunner.domain.settlement import Settlement as Settlement
from taskrunner.domain.status import Status
from taskrunner.domain.value import Value, field
from taskrunner.stores.host_store import HostStore
from taskrunner.stores.inspection import Inspection, Overdue

Item = TypeVar("Item")


class AcceptAnswer(StrEnum):
    """What became of one new task."""

    CREATED = "created"
    EXISTS = "exists"  # the same id, or the same key and fingerprint: nothing was written
    CONFLICT = "conflict"  # the same key with another fingerprint, or a deleted id: nothing was written


class Accepted(Value):
    """The answer to a `NewTask`; `id` is that of the task that stands, which may be an earlier one."""

    id: str
    answer: AcceptAnswer


class AttemptRef(Value):
    """An attempt of a task: for `mark_queued` the next one, for `renew` the one that runs.

    `follow_up` is for `fail` and `cancel` alone: it is accepted in the same atomic step, if they take effect.
    `snoozes` is for `mark_queued` alone: how often the task had been snoozed when it was published.
    """

    id: str
    attempt: int
    follow_up: NewTask | None = None
    snoozes: int = 0


class Snooze(Value):
    """A task that waits for this attempt waits on until `due`; with a reason that is counted and shown."""

    id: str
    attempt: int
    due: datetime
    why: str | None = None


class ClaimAnswer(StrEnum):
    """What became of one claim; only `CLAIMED` may run."""

    CLAIMED = "claimed"
    HELD = "held"  # this very attempt runs already, at another consumer
    STALE = "stale"  # another attempt is next, or the task is terminal, or it was deleted
    EXPIRED = "expired"  # its deadline has passed: it is `expired`
    UNKNOWN = "unknown"  # no record: to be adopted


class Claimed(Value):
    """The answer to a claim; `attempt_limit` counts only for `CLAIMED`."""

    answer: ClaimAnswer
    attempt_limit: int = 0


class Due(StoredTask):
    """A task whose due time has come. Its due time was moved on, so that no other relay gets it now.

    `running` is the attempt whose lease ran out, if there is one.
    """

    status: Status
    attempt_limit: int
    running: Attempt | None = None


class StoredSchedule(Value):
    """A schedule by `codec.encode`. `version` is another one after each change."""

    name: str
    version: str
    encoded: bytes
    next_at: datetime | None


class Page(Value, Generic[Item]):
    """A part of a list; `cursor` asks for the next part, None at the end."""

    items: Sequence[Item]
    cursor: str | None


class StoreStatus(Value):
    """How the adapter stands with its store. `warnings` are settings that weaken our promises."""

    connected: bool
    reconnects: int
    error: str | None = None
    warnings: Sequence[str] = ()
    details: Mapping[str, str] = field(default_factory=dict)


class Store(HostStore):
    """Records, the due index, the dead letters, and what is known of hosts.

    All methods are for one event loop; any may raise `StoreUnavailable`, after which the caller cannot
    know whether the call took effect: every change is safe to repeat. Batches may be empty. `now` is the
    caller's clock. `name` is what events and health call it.
    """

    name: str

    @abstractmethod
    async def start(self) -> None:
        """Begin to connect and return at once; see `wait_ready`.

        A store that is away is no error here.
        """

    @abstractmethod
    async def wait_ready(self, timeout: float) -> None:
        """Return once the store answers and is fit to be used.

        Raises `StoreUnavailable` after `timeout` seconds, `StoreUnfit` as soon as that is known.
        """

    @abstractmethod
    async def stop(self) -> None:
        """Close the connections."""

    @abstractmethod
    def status(self) -> StoreStatus:
        """How things stood at the last call or ping."""

    @abstractmethod
    async def ping(self) -> None:
        """One round trip. Raises `StoreUnavailable`."""

    @abstractmethod
    async def check_replicas(self) -> None:
        """Look whether `replicate` has a chance, before something is written that depends on it.

        Raises `StoreUnfit` where the store is set up without replicas, `StoreUnavailable` while too few of
        them are there.
        """

    @abstractmethod
    async def replicate(self, ids: Sequence[str]) -> None:
        """Return once the replicas have, too, what any caller wrote before this call, these records with it.

        Raises `WriteUnconfirmed` when too few of them confirm that in time, or when the server that they
        follow by now never got one of the records (a failover came in between); else as `check_replicas`.
        """

    @abstractmethod
    async def accept(self, tasks: Sequence[NewTask]) -> Sequence[Accepted]:
        """Write each record (status `scheduled`) with its due line, in one atomic step per task."""

    @abstractmethod
    async def mark_queued(self, refs: Sequence[AttemptRef], *, now: datetime, due: datetime) -> None:
        """Attempt `attempt` of these tasks was published; `due` is when to suspect that it got lost.

        Without effect on a task that is not scheduled, retrying or queued before that attempt, and on one
        that was snoozed since: its delivery has overtaken this mark.
        """

    @abstractmethod
    async def claim(
        self, refs: Sequence[AttemptRef], *, now: datetime, lease_until: datetime, consumer: str
    ) -> Sequence[Claimed]:
        """Start attempts: status `running`, `attempt` counted up, due when the lease ends.

        A claim repeated by the same consumer, which did not hear the answer, is `CLAIMED` once more.
        """

    @abstractmethod
    async def renew(self, refs: Sequence[AttemptRef], *, lease_until: datetime) -> Sequence[bool]:
        """Move the end of leases; False for a task that no longer runs this attempt."""

    @abstractmethod
    async def still_running(self, refs: Sequence[AttemptRef]) -> Sequence[bool]:
        """Whether these attempts, which somebody runs, still are to; only a read.

        False for one that no longer runs by its record, and for a deleted task. True where the record is
        missing for another reason: what the store has lost is better run than not.
        """

    @abstractmethod
    async def settle(self, settlements: Sequence[Settlement], *, now: datetime) -> Sequence[bool]:
        """End attempts, each in one atomic step with the task that follows it.

        False, and nothing written, for a task that no longer runs this attempt.
        """

    @abstractmethod
    async def take_due(self, *, now: datetime, limit: int, hold: float) -> Sequence[Due]:
        """Up to `limit` tasks that are due, the longest overdue first; each is due again `hold` s later."""

    @abstractmethod
    async def postpone(self, refs: Sequence[AttemptRef], *, due: datetime) -> None:
        """Look at queued tasks (those whose next attempt this is) again at `due`."""

    @abstractmethod
    async def snooze(self, snoozes: Sequence[Snooze], *, now: datetime) -> Sequence[bool]:
        """Tasks that wait (scheduled, queued, retrying) for this attempt are `scheduled` for their `due`.

        False for any other. The attempt has not begun, so nothing is counted.
        """

    @abstractmethod
    async def fail(
        self,
        refs: Sequence[AttemptRef],
        *,
        now: datetime,
        reason: str,
        error: str,
        keep: float,
        expired: bool = False,
    ) -> Sequence[bool]:
        """Fail tasks that wait (scheduled, queued, retrying) for this attempt, without running it.

        False for any other; with `expired` also for one whose deadline has not passed. `reason` is the dead
        letter's, `keep` the seconds the record outlives it.
        """

    @abstractmethod
    async def expired(self, *, now: datetime, limit: int) -> Sequence[Due]:
        """Up to `limit` tasks that wait and whose deadline has passed, the first deadlines first.

        Fewer, though there are more, when these alone are several MiB.
        """

    @abstractmethod
    async def cancel(
        self, refs: Sequence[AttemptRef], *, now: datetime, error: str, keep: float
    ) -> Sequence[bool]:
        """As `fail`, but they become `cancelled`. What runs is cancelled by settling it."""

    @abstractmethod
    async def delete(
        self, ids: Sequence[str], *, now: datetime, keep: float, status: Status | None = None
    ) -> Sequence[bool]:
        """Remove tasks with all that is known of them; False where there is none, or not with `status`.

        For `keep` seconds the ids are remembered as deleted: a claim of one is `STALE`, so that a delivery
        that is still out is not adopted, and to accept one is a `CONFLICT`.
        """

    @abstractmethod
    async def requeue(self, ids: Sequence[str], *, now: datetime, due: datetime) -> Sequence[Due | None]:
        """Failed tasks become `scheduled` again, with `max_attempts` more attempts and their history kept.

        A deadline is kept no longer: it has passed, or somebody wants the task in spite of it.
        None for an id that is not a failed task.
        """

    @abstractmethod
    async def get(self, task_id: str) -> Record | None:
        """The record, or None."""

    @abstractmethod
    async def body(self, task_id: str) -> bytes | None:
        """The stored beginning of the fetched body, or None where there is none."""

    @abstractmethod
    async def list_tasks(self, status: Status | None, *, limit: int, cursor: str | None) -> Page[Record]:
        """Records by descending id, of one status or of all. `cursor` is the last id of the page before."""

    @abstractmethod
    async def counts(self) -> Mapping[Status, int]:
        """Tasks per status, every status present."""

    @abstractmethod
    async def add_dead_messages(self, letters: Sequence[DeadLetter], *, keep: float) -> None:
        """Keep unreadable messages as dead letters for `keep` seconds. Safe to repeat for the same ids."""

    @abstractmethod
    async def dead_letter(self, letter_id: str) -> DeadLetter | None:
        """One dead letter, a failed task or a message, with its raw bytes; or None."""

    @abstractmethod
    async def list_dead_letters(self, *, limit: int, cursor: str | None) -> Page[DeadLetter]:
        """Dead letters, the latest first, without raw bytes."""

    @abstractmethod
    async def remove_dead_message(self, letter_id: str) -> bool:
        """Remove a message (not a task) from the dead letters; False when it is not there."""

    @abstractmethod
    async def pause(self, scope: str, *, now: datetime) -> None:
        """Note that a scope is paused; one that is already keeps its time."""

    @abstractmethod
    async def resume(self, scope: str) -> bool:
        """Note that a scope is paused no more; False where it was not."""

    @abstractmethod
    async def pauses(self) -> Mapping[str, datetime]:
        """The scopes that are paused, and since when."""

    @abstractmethod
    async def prune(self, *, now: datetime, limit: int) -> int:
        """Remove what has outlived its retention from every index, at most `limit`; answers how many."""

    @abstractmethod
    async def save_schedule(
        self, schedule: StoredSchedule, *, expected: str | None, tasks: Sequence[NewTask] = ()
    ) -> bool:
        """Write a schedule whose version still is `expected` (None: there is none of the name).

        In the same atomic step accept `tasks`; those whose id is taken are left as they are.

        False, and nothing written, for any other version.
        """

    @abstractmethod
    async def schedule(self, name: str) -> StoredSchedule | None:
        """One schedule, or None."""

    @abstractmethod
    async def list_schedules(self, *, limit: int, cursor: str | None) -> Page[StoredSchedule]:
        """Schedules by name, ascending. `cursor` is the last name of the page before."""

    @abstractmethod
    async def due_schedules(self, *, now: datetime, limit: int) -> Sequence[StoredSchedule]:
        """Up to `limit` schedules whose next slot has come, the longest overdue first. Nothing is changed."""

    @abstractmethod
    async def delete_schedule(self, name: str) -> bool:
        """Remove a schedule; its tasks stay. False when there is none of the name."""

    @abstractmethod
    async def overdue(self, *, before: datetime, limit: int) -> Sequence[Overdue]:
        """Up to `limit` live tasks that were due by `before`, the longest overdue first; only a read."""

    @abstractmethod
    async def time(self) -> datetime:
        """What the store's own clock says."""

    @abstractmethod
    async def inspect(self, *, cursor: str | None, limit: int) -> Inspection:
        """Walk through all that is stored, about `limit` entries with each call; only reads.

        Each task is looked at in one atomic step, so that a change under way shows no flaw. What is there
        during the whole walk is looked at, some of it twice. Raises `ValueError` for a foreign cursor.
        """

    @abstractmethod
    async def repair(
        self, ids: Sequence[str], *, now: datetime, lease_until: datetime, keep: float
    ) -> Sequence[bool]:
        """Make what is stored of these tasks agree with their records; True where something was changed.

        What is live and not due becomes due: at `lease_until` if it runs, else `now`. What has ended and
        would be kept for ever is kept for `keep` seconds. Without a record everything goes.
        """
