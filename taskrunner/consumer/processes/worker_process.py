"""The process: workers in a child process, so that they and the event loop each have an interpreter lock.

An attempt that the child has been sent may have begun there; one that still waits here has not. When the
child dies, all of them end as interrupted; see `suspects` for those that may have been the reason.
"""

import asyncio
import logging
import math
from collections.abc import Sequence

from taskrunner.consumer.claimed_attempt import ClaimedAttempt
from taskrunner.consumer.processes.child import Child
from taskrunner.consumer.processes.crash_suspects import CrashSuspects
from taskrunner.consumer.processes.restarter import Restarter
from taskrunner.consumer.processes.wire import Item, Order, Report, frame
from taskrunner.consumer.worker_group import WorkerGroup
from taskrunner.consumer.worker_pool import OnFinished
from taskrunner.domain.codec import Decoder, pack
from taskrunner.domain.events import Events, WorkerProcessLost
from taskrunner.domain.outcome import Outcome, OutcomeKind
from taskrunner.handlers.base import HandlerFactory

_OUTCOME: Decoder[Outcome] = Decoder(Outcome)
# The child answers at once unless it is stuck; then the shutdown goes on without its answer.
WITHDRAW_WAIT = 1.0


class WorkerProcess(WorkerGroup):
    """Worker threads of a child process. Nothing is lost with it, and nothing here waits for it."""

    def __init__(
        self,
        factory: HandlerFactory,
        events: Events,
        on_finished: OnFinished,
        suspects: CrashSuspects | None = None,
    ) -> None:
        super().__init__(events, on_finished)
        self._keeper = Restarter(factory, events, hear=self._hear, on_lost=self._mourn)
        self._suspects = CrashSuspects() if suspects is None else suspects
        self._target = 0
        self._orders: list[bytes] = []
        self._waiting: dict[int, ClaimedAttempt] = {}
        self._flushing = False
        self._withdrawn: asyncio.Future[list[int]] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def total(self) -> int:
        return self._target

    @property
    def pid(self) -> int | None:
        return self._keeper.pid

    @property
    def trouble(self) -> str | None:
        return self._keeper.trouble

    @property
    def losses(self) -> int:
        return self._keeper.losses

    @property
    def last_loss(self) -> str | None:
        return self._keeper.last_loss

    def room(self) -> int:
        """None after a death: others may run what this consumer could only keep waiting."""
        return 0 if self._keeper.is_bereft else super().room()

    @property
    def load(self) -> float:
        """Attempts in flight beyond the number of workers; infinite where nobody would run another one."""
        is_manned = self._target > 0 and not self._keeper.is_bereft
        return len(self._flying) - self._target if is_manned else math.inf

    async def start(self) -> None:
        await self._keeper.start()

    def resize(self, target: int) -> None:
        self._target = target
        self._order(frame(Order.RESIZE, target))

    async def withdraw(self) -> list[ClaimedAttempt]:
        taken = list(self._waiting.values())
        self._waiting.clear()
        if self._keeper.child is not None:
            taken += self._known(await self._ask_back())
        taken = [running for running in taken if not running.ended]
        for running in taken:
            self._conclude(running)
        return taken

    def check(self) -> None:
        """The child replaces its workers itself; we replace the child."""
        self._keeper.check()

    def cancel(self, lost: Sequence[ClaimedAttempt]) -> None:
        super().cancel(lost)
        if tickets := self._tickets_of(lost):
            self._order(frame(Order.CANCEL, tickets))

    def renew(self, kept: Sequence[ClaimedAttempt], lease_ends: float) -> None:
        super().renew(kept, lease_ends)
        if tickets := self._tickets_of(kept):
            self._order(frame(Order.RENEW, tickets, lease_ends))

    def interrupt(self) -> list[ClaimedAttempt]:
        self._waiting.clear()
        return super().interrupt()

    async def close(self) -> None:
        await self._keeper.stop()

    def _hand_over(self, running: ClaimedAttempt) -> None:
        self._waiting[running.ticket] = running
        self._flush_soon()

    def _order(self, order: bytes) -> None:
        """What is said while there is no child is for none: the next one starts with our present state."""
        if self._keeper.child is not None:
            self._orders.append(order)
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Attempts first: an order may be about one of them."""
        self._flushing = False
        child = self._keeper.child
        if child is None:
            return
        if self._waiting:
            self._orders.insert(0, frame(Order.RUN, list(map(_packed, self._waiting.values()))))
            self._waiting.clear()
        if self._orders:
            child.send(b"".join(self._orders))
            self._orders.clear()

    async def _ask_back(self) -> list[int]:
        """The tickets of what the child has not begun; none when it does not answer."""
        self._withdrawn = self._loop.create_future()
        self._order(frame(Order.WITHDRAW))
        try:
            async with asyncio.timeout(WITHDRAW_WAIT):
                return await self._withdrawn
        except TimeoutError:
            return []  # what it holds is given up at the end of the grace
        finally:
            self._withdrawn = None

    def _hear(self, child: Child, item: Item) -> None:
        match item:
            case (Report.ENDED, answers):
                for ticket, started, elapsed, outcome in answers:
                    if (running := self._flying.get(ticket)) is not None:
                        running.started, running.elapsed = started, elapsed
                        self._suspects.clear(running.context.task.id)
                        self._finish(running, _OUTCOME.unpack(outcome))
            case (Report.READY,):
                # What waits here is run also where all have been let go meanwhile: they leave after it.
                child.send(frame(Order.RESIZE, max(self._target, 1)))
                self._order(frame(Order.RESIZE, self._target))
            case (Report.WRITTEN_OFF, ticket, started, elapsed, worker):
                if (running := self._flying.get(ticket)) is not None:
                    running.started, running.elapsed = started, elapsed
                    self._write_off(worker, running)
            case (Report.WITHDRAWN, tickets):
                self._answer_withdrawal(tickets)
            case (Report.LOGGED, name, level, text):
                logging.getLogger(name).log(level, "%s", text)

    def _mourn(self, pid: int | None, cause: str) -> None:
        """End everything: what the dead child had been sent, and what would have to wait for the next one."""
        unsent, lost = self._waiting, list(self._flying.values())
        self._waiting = {}
        self._orders.clear()
        self._answer_withdrawal([])
        self._events.emit(WorkerProcessLost(pid=pid, cause=cause, in_flight=len(lost) - len(unsent)))
        for running in lost:
            if running.ticket in unsent:
                self._end(running, _UNSENT)
            else:
                self._end(running, self._suspects.blame(running.context.task.id, cause))

    def _answer_withdrawal(self, tickets: list[int]) -> None:
        if self._withdrawn is not None and not self._withdrawn.done():
            self._withdrawn.set_result(tickets)

    def _tickets_of(self, attempts: Sequence[ClaimedAttempt]) -> list[int]:
        """Of those that are in flight here; what has ended, or is another process's, is none of them."""
        return [each.ticket for each in attempts if self._flying.get(each.ticket) is each]

    def _known(self, tickets: Sequence[int]) -> list[ClaimedAttempt]:
        return [running for ticket in tickets if (running := self._flying.get(ticket)) is not None]


_UNSENT = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="the worker process ended before it had this task; this attempt does not count",
    counted=False,
)


def _packed(running: ClaimedAttempt) -> Item:
    context = running.context
    return (
        running.ticket,
        context.number,
        running.lease_ends,
        context.cancelled,
        pack(context.task),
    )
