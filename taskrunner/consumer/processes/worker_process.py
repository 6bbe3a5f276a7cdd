"""WorkerProcess: workers in a child process, so that they and the event loop each have an interpreter lock.

An attempt that was sent to the child may have begun there; an unsent one has not. When the child dies, all of
them end as interrupted; `crash_suspects` says which of them count.
"""

import asyncio
import logging
import math
from collections.abc import Iterable, Sequence

from taskrunner.consumer.in_flight import ClaimedAttempt
from taskrunner.consumer.processes.child_process import ChildProcess
from taskrunner.consumer.processes.crash_suspects import CrashSuspects
from taskrunner.consumer.processes.restarter import Restarter
from taskrunner.consumer.processes.wire import Frame, Reply, WireCommand, encode_frame
from taskrunner.consumer.worker_group import WorkerGroup
from taskrunner.consumer.worker_pool import OnFinished
from taskrunner.domain.codec import Decoder, pack
from taskrunner.domain.events import Events, WorkerProcessLost
from taskrunner.domain.tasks.outcome import Outcome, OutcomeKind
from taskrunner.domain.tasks.progress import Progress
from taskrunner.handlers.base import HandlerFactory

# The child answers at once unless it is stuck; then the shutdown goes on without its answer.
WITHDRAW_WAIT = 1.0
_OUTCOME: Decoder[Outcome] = Decoder(Outcome)
_UNSENT = Outcome(
    kind=OutcomeKind.INTERRUPTED,
    error="the worker process ended before it had this task; this attempt does not count",
    counted=False,
)


class WorkerProcess(WorkerGroup):
    """Outlives its child: no attempt is lost with a child, and no method waits for one."""

    def __init__(
        self, factory: HandlerFactory, events: Events, suspects: CrashSuspects | None = None
    ) -> None:
        super().__init__(events)
        self._restarter = Restarter(factory, events, on_reply=self._on_reply, on_lost=self._on_lost)
        self._suspects = CrashSuspects() if suspects is None else suspects
        self._target = 0
        self._commands: list[bytes] = []
        self._unsent: dict[int, ClaimedAttempt] = {}
        self._flushing = False
        self._withdrawn: asyncio.Future[list[int]] | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def total(self) -> int:
        return self._target

    @property
    def pid(self) -> int | None:
        return self._restarter.pid

    @property
    def trouble(self) -> str | None:
        return self._restarter.trouble or super().trouble

    @property
    def losses(self) -> int:
        return self._restarter.losses

    @property
    def last_loss(self) -> str | None:
        return self._restarter.last_loss

    def room(self) -> int:
        """None after a death: other consumers may run what could only wait here."""
        return 0 if self._restarter.is_down else super().room()

    def under_way(self) -> Iterable[ClaimedAttempt]:
        return () if self._restarter.ready_child is None else super().under_way()

    @property
    def load(self) -> float:
        """Attempts in flight beyond the number of workers; infinite where nobody would run another one."""
        can_run = self._target > 0 and not self._restarter.is_down
        return len(self._by_ticket) - self._target if can_run else math.inf

    async def start(self, on_finished: OnFinished) -> None:
        await super().start(on_finished)
        await self._restarter.start()

    def adopt(self, factory: HandlerFactory) -> None:
        self._restarter.adopt(factory)
        # At once: attempts that are sent later have it.
        if (child := self._restarter.ready_child) is not None:
            child.send(encode_frame(WireCommand.ADOPT, self._restarter.factory))

    def resize(self, target: int) -> None:
        self._target = target
        self._send(encode_frame(WireCommand.RESIZE, target))

    async def withdraw(self) -> list[ClaimedAttempt]:
        taken = list(self._unsent.values())
        self._unsent.clear()
        if self._restarter.ready_child is not None:
            taken += self._find(await self._withdraw_from_child())
        taken = [attempt for attempt in taken if not attempt.ended]
        for attempt in taken:
            self._remove(attempt)
        return taken

    def check(self) -> None:
        """The child replaces its workers itself; we replace the child."""
        self._restarter.check()

    def cancel(self, attempts: Sequence[ClaimedAttempt]) -> None:
        super().cancel(attempts)
        if tickets := self._tickets(attempts):
            self._send(encode_frame(WireCommand.CANCEL, tickets))

    def renew(self, attempts: Sequence[ClaimedAttempt], lease_ends: float) -> None:
        super().renew(attempts, lease_ends)
        if tickets := self._tickets(attempts):
            self._send(encode_frame(WireCommand.RENEW, tickets, lease_ends))

    def interrupt(self) -> list[ClaimedAttempt]:
        self._unsent.clear()
        return super().interrupt()

    async def close(self) -> None:
        await self._restarter.stop()

    def _hand_over(self, attempt: ClaimedAttempt) -> None:
        self._unsent[attempt.ticket] = attempt
        self._flush_soon()

    def _send(self, command: bytes) -> None:
        """Without a child the command is dropped: the next child starts with our present state."""
        if self._restarter.ready_child is not None:
            self._commands.append(command)
            self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Attempts first: a command may be about one of them."""
        self._flushing = False
        child = self._restarter.ready_child
        if child is None:
            return
        if self._unsent:
            self._commands.insert(0, encode_frame(WireCommand.RUN, list(map(_packed, self._unsent.values()))))
            self._unsent.clear()
        if self._commands:
            child.send(b"".join(self._commands))
            self._commands.clear()

    async def _withdraw_from_child(self) -> list[int]:
        """The tickets of attempts that the child has not begun; none when it does not answer."""
        self._withdrawn = self._loop.create_future()
        self._send(encode_frame(WireCommand.WITHDRAW))
        try:
            async with asyncio.timeout(WITHDRAW_WAIT):
                return await self._withdrawn
        except TimeoutError:
            return []  # its attempts are interrupted at the end of the grace time
        finally:
            self._withdrawn = None

    def _on_reply(self, child: ChildProcess, reply: Frame) -> None:
        match reply:
            case (Reply.FINISHED, outcomes):
                for ticket, started, elapsed, outcome in outcomes:
                    if (attempt := self._by_ticket.get(ticket)) is not None:
                        attempt.started, attempt.elapsed = started, elapsed
                        self._suspects.clear(attempt.task.id)
                        self._finish(attempt, _OUTCOME.unpack(outcome))
            case (Reply.READY,):
                # At least one worker, for unsent attempts: the target may have become 0 meanwhile. The
                # second command lets that worker leave after them.
                child.send(encode_frame(WireCommand.RESIZE, max(self._target, 1)))
                # It may have changed since the child was started with it.
                child.send(encode_frame(WireCommand.ADOPT, self._restarter.factory))
                self._send(encode_frame(WireCommand.RESIZE, self._target))
            case (Reply.WRITTEN_OFF, ticket, started, elapsed, worker):
                if (attempt := self._by_ticket.get(ticket)) is not None:
                    attempt.started, attempt.elapsed = started, elapsed
                    self._write_off(worker, attempt)
            case (Reply.WITHDRAWN, tickets):
                self._set_withdrawn(tickets)
            case (Reply.PROGRESS, news):
                for ticket, fraction, message in news:
                    if (attempt := self._by_ticket.get(ticket)) is not None:
                        attempt.progress = Progress.of(fraction, message, attempt=attempt.number)
            case (Reply.LOGGED, name, level, text):
                logging.getLogger(name).log(level, "%s", text)

    def _on_lost(self, pid: int | None, cause: str) -> None:
        """End all attempts: those sent to the dead child, and those that would have to wait for the next."""
        unsent, lost = self._unsent, list(self._by_ticket.values())
        self._unsent = {}
        self._commands.clear()
        self._set_withdrawn([])
        self._events.emit(WorkerProcessLost(pid=pid, cause=cause, in_flight=len(lost) - len(unsent)))
        for attempt in lost:
            if attempt.ticket in unsent:
                self._end(attempt, _UNSENT)
            else:
                self._end(attempt, self._suspects.record_death(attempt.task.id, cause))

    def _set_withdrawn(self, tickets: list[int]) -> None:
        if self._withdrawn is not None and not self._withdrawn.done():
            self._withdrawn.set_result(tickets)

    def _tickets(self, attempts: Sequence[ClaimedAttempt]) -> list[int]:
        """Of those in flight here: others have ended or are another process's, which has its own tickets."""
        return [each.ticket for each in attempts if self._by_ticket.get(each.ticket) is each]

    def _find(self, tickets: Sequence[int]) -> list[ClaimedAttempt]:
        return [attempt for ticket in tickets if (attempt := self._by_ticket.get(ticket)) is not None]


def _packed(attempt: ClaimedAttempt) -> Frame:
    return attempt.ticket, attempt.number, attempt.lease_ends, attempt.cancelled, pack(attempt.task)
