"""The teller tells things in the order in which they came, also those that it gathers."""

import socket

from taskrunner.consumer.assigned_attempt import AssignedAttempt
from taskrunner.consumer.processes.reply_sender import ReplySender
from taskrunner.consumer.processes.wire import Report, Unframer, frame
from taskrunner.domain.outcome import Outcome, OutcomeKind
from tests.contract.workers.bench import DEADLINE
from tests.tools.attempts import make_running


def test_answers_and_frames_keep_their_order() -> None:
    """A worker that answers at the last moment is not overtaken by the news that it was written off."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        teller = ReplySender(theirs, is_busy=lambda: False)
        for ticket in (1, 2):
            assigned = AssignedAttempt(make_running("a").context, ticket=ticket)
            teller.tell((assigned, Outcome(kind=OutcomeKind.OK)))
            teller.tell(frame(Report.WRITTEN_OFF, ticket, 0.0, 0.0, "worker-1"))
        teller.tell(frame(Report.CHECKED))
        teller.start()
        ours.settimeout(DEADLINE)
        unframer, heard = Unframer(), []
        while Report.CHECKED not in heard:
            heard += [item[0] for item in unframer.feed(ours.recv(4096))]
    kinds = [Report.ENDED, Report.WRITTEN_OFF] * 2
    assert heard == [*kinds, Report.CHECKED]
